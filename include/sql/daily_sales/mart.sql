-- Sales of one day. Sources: the lake tables orders and order_items; grain: one row per day; $day is the day to compute, as a DATE.
-- Orders count on the day they were placed, lines on the day they were written, so each day depends on that day's partitions alone.
SELECT $day AS day, placed.*, sold.*
FROM (
    SELECT
        count(*) FILTER (WHERE deleted_at IS NULL) AS orders,
        count(*) FILTER (WHERE status = 'cancelled') AS cancelled_orders,
        count(DISTINCT customer_id) AS customers
    FROM orders
    WHERE created_date = $day
) AS placed
CROSS JOIN (
    SELECT
        count(*) AS lines,
        CAST(coalesce(sum(quantity), 0) AS BIGINT) AS units,
        CAST(coalesce(sum(line_total), 0) AS DECIMAL(18, 2)) AS revenue
    FROM order_items
    WHERE created_date = $day
) AS sold
