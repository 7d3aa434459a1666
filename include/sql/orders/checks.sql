-- Checks of orders: each query selects the rows that break a rule, over the view new_rows (the rows of this run).

-- #fail total_is_not_negative
SELECT order_id, total FROM new_rows WHERE total < 0;

-- #fail updated_after_created
SELECT order_id, created_at, updated_at FROM new_rows WHERE updated_at < created_at;

-- #warn cancelled_orders_are_rare
SELECT count(*) AS cancelled FROM new_rows WHERE status = 'cancelled' HAVING count(*) > 0.5 * (SELECT count(*) FROM new_rows);
