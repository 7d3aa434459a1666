"""What holds in the shop before, during and after traffic: for each sentence a query that counts its violations."""

from __future__ import annotations

from typing import NamedTuple


class Rule(NamedTuple):
    """`violations` counts them; `breaking` makes at least one (the negative control)."""

    violations: str
    breaking: str


ALWAYS = {
    "every order has a customer": Rule(
        "SELECT COUNT(*) FROM orders o LEFT JOIN customers c USING (customer_id) WHERE c.customer_id IS NULL",
        "UPDATE orders SET customer_id = 4000000000 WHERE order_id = 5",
    ),
    "every item has an order": Rule(
        "SELECT COUNT(*) FROM order_items i LEFT JOIN orders o USING (order_id) WHERE o.order_id IS NULL",
        "UPDATE order_items SET order_id = 4000000000 WHERE order_item_id = 5",
    ),
    "every item has a product": Rule(
        "SELECT COUNT(*) FROM order_items i LEFT JOIN products p USING (product_id) WHERE p.product_id IS NULL",
        "UPDATE order_items SET product_id = 4000000000 WHERE order_item_id = 5",
    ),
    "every payment has an order": Rule(
        "SELECT COUNT(*) FROM payments y LEFT JOIN orders o USING (order_id) WHERE o.order_id IS NULL",
        "UPDATE payments SET order_id = 4000000000 WHERE payment_id = 5",
    ),
    "an order's total is the sum of its items": Rule(
        """
        SELECT COUNT(*) FROM orders o WHERE NOT (o.total <=> (
          SELECT SUM(ROUND(i.quantity * i.unit_price * (1 - i.discount), 2)) FROM order_items i WHERE i.order_id = o.order_id))
        """,
        "UPDATE orders SET total = total + 0.01 WHERE order_id = 5",
    ),
    "payments of an order add up to its total": Rule(
        """
        SELECT COUNT(*) FROM (
          SELECT o.order_id FROM orders o JOIN payments y USING (order_id)
          GROUP BY o.order_id, o.total HAVING SUM(y.amount) <> o.total) AS unequal
        """,
        "UPDATE payments SET amount = amount + 0.01 WHERE payment_id = 5",
    ),
    "what is paid, shipped or delivered has a payment, what is placed has none": Rule(
        """
        SELECT COUNT(*) FROM orders o WHERE o.status <> 'cancelled'
          AND (o.status = 'placed') = EXISTS (SELECT 1 FROM payments y WHERE y.order_id = o.order_id)
        """,
        "UPDATE orders SET status = 'placed' WHERE order_id IN (SELECT order_id FROM payments WHERE payment_id < 9)",
    ),
    "no order is updated before it is created": Rule(
        "SELECT COUNT(*) FROM orders WHERE updated_at < created_at OR deleted_at > updated_at",
        "UPDATE orders SET updated_at = created_at - INTERVAL 1 MICROSECOND WHERE order_id = 5",
    ),
    "items come with or a little after their order": Rule(
        """
        SELECT COUNT(*) FROM order_items i JOIN orders o USING (order_id)
        WHERE i.created_at < o.created_at OR i.created_at > o.created_at + INTERVAL 60 SECOND
        """,
        "UPDATE order_items SET created_at = created_at - INTERVAL 1 DAY WHERE order_item_id = 5",
    ),
    "JSON columns hold JSON": Rule(
        """
        SELECT (SELECT COUNT(*) FROM orders WHERE NOT JSON_VALID(shipping_address))
          + (SELECT COUNT(*) FROM products WHERE NOT JSON_VALID(attributes) OR JSON_TYPE(attributes) <> 'OBJECT')
          + (SELECT COUNT(*) FROM page_events WHERE NOT JSON_VALID(properties))
        """,
        "UPDATE products SET attributes = '[]' WHERE product_id = 5",
    ),
}
