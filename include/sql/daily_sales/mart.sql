-- Sales of one day. Sources: the lake tables orders and order_items; grain: one row per day; $day is the day to compute, as a DATE.
-- Orders count on the day they were placed, lines on the day they were written, so each day depends on that day's partitions alone.
SELECT
    $day AS day,
    (SELECT count(*) FROM orders WHERE created_date = $day AND deleted_at IS NULL) AS orders,
    (SELECT count(*) FROM orders WHERE created_date = $day AND status = 'cancelled') AS cancelled_orders,
    (SELECT count(DISTINCT customer_id) FROM orders WHERE created_date = $day) AS customers,
    (SELECT count(*) FROM order_items WHERE created_date = $day) AS lines,
    (SELECT CAST(coalesce(sum(quantity), 0) AS BIGINT) FROM order_items WHERE created_date = $day) AS units,
    (SELECT CAST(coalesce(sum(line_total), 0) AS DECIMAL(18, 2)) FROM order_items WHERE created_date = $day) AS revenue
