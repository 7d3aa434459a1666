-- Checks of order_items: each query selects the rows that break a rule, over the view new_rows (the rows of this run).

-- #fail discount_is_a_share
SELECT order_item_id, discount FROM new_rows WHERE discount NOT BETWEEN 0 AND 1;

-- #fail quantity_is_positive
SELECT order_item_id, quantity FROM new_rows WHERE quantity < 1;
