"""What the shop's application does to its database: one method of `Application` is one transaction's work."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID, uuid4

WORDS: dict[str, Any] = json.loads((Path(__file__).parent / "words.json").read_text(encoding="utf-8"))
CENT = Decimal("0.01")
NEXT_STATUS = {"paid": "shipped", "shipped": "delivered"}
EVENTS = ("view", "view", "view", "search", "click", "add_to_cart", "checkout")
DISCOUNTS = (*[Decimal(0)] * 8, Decimal("0.05"), Decimal("0.3333"))


class EmptyShopError(Exception):
    """The shop has no customers or products to work with."""


class Application:
    """One connection's worth of application. `written` counts (table, verb) of the transaction under way.

    Server-stamped columns are never named: created_at and updated_at are MySQL's. Raises MySQLdb errors as they come.
    """

    def __init__(self, connection: Any, random: Random) -> None:
        self.connection = connection
        self.random = random
        self.written: Counter[tuple[str, str]] = Counter()

    # ---- the customer's side
    def browse(self) -> None:
        """A visit of one to eight page events."""
        customer_id = self._any_customer() if self.random.random() < 0.6 else None
        session_id = self.random.randbytes(16)
        events = []
        for _ in range(self.random.randint(1, 8)):
            event = self.random.choice(EVENTS)
            url = f"/search?q={self.random.choice(WORDS['searches'])}" if event == "search" else f"/p/{self._any_product()[0]}"
            properties = json.dumps({"device": self.random.choice(WORDS["devices"])})
            duration_ms = None if self.random.random() < 0.05 else int(self.random.expovariate(1 / 8000))
            events.append((customer_id, session_id, url, event, properties, duration_ms))
        self._insert("page_events", "customer_id session_id url event properties duration_ms", *events)

    def place_order(self) -> None:
        """An order of one to five items; three in five are paid at once."""
        customer_id = self._any_customer()
        lines = []
        for _ in range(self.random.randint(1, 5)):
            product_id, price = self._any_product()
            lines.append((product_id, self.random.choice((1, 1, 1, 2, 3, 6)), price, self.random.choice(DISCOUNTS)))
        total = sum((_amount(*line[1:]) for line in lines), Decimal(0))
        full_name, country = self._one("SELECT full_name, country FROM customers WHERE customer_id = %s", customer_id) or ("?", "US")
        person = next(person for person in WORDS["people"] if person["country"] == country)
        address = {
            "name": full_name,
            "street": f"{self.random.randint(1, 200)} {self.random.choice(WORDS['streets'])}",
            "city": self.random.choice(person["cities"]),
            "postcode": f"{self.random.randrange(100_000):05d}",
            "country": country,
        }
        note = self.random.choice(WORDS["notes"]) if self.random.random() < 0.15 else None
        order_id = self._insert(
            "orders",
            "customer_id status total currency shipping_address note",
            (customer_id, "placed", total, person["currency"], json.dumps(address, ensure_ascii=False), note),
        )
        self._insert("order_items", "order_id product_id quantity unit_price discount", *((order_id, *line) for line in lines))
        if self.random.random() < 0.6:
            self._pay(order_id, total)

    def sign_up(self) -> None:
        """A new customer."""
        person = self.random.choice(WORDS["people"])
        given, family = self.random.randrange(8), self.random.randrange(8)
        address = f"{person['given_latin'][given]}.{person['family_latin'][family]}.{uuid4().hex[:12]}@example.{person['country'].lower()}"
        phone = f"{person['dial']} {self.random.randrange(10**9):09d}" if self.random.random() < 0.8 else None
        full_name = f"{person['given'][given]} {person['family'][family]}"
        self._insert("customers", "email phone full_name country", (address, phone, full_name, person["country"]))

    def edit_customer(self) -> None:
        """Loyalty points come, or the phone number goes."""
        customer_id = self._any_customer()
        if self.random.random() < 0.8:
            statement = "UPDATE customers SET loyalty_points = loyalty_points + %s WHERE customer_id = %s"
            self._write("customers", "updated", statement, self.random.randint(1, 200), customer_id)
        else:
            self._write("customers", "updated", "UPDATE customers SET phone = NULL WHERE customer_id = %s", customer_id)

    def delete_customer(self) -> None:
        """Hard delete of a customer without orders; the foreign key refuses one who orders in between."""
        row = self._one(
            "SELECT c.customer_id FROM customers c WHERE c.customer_id >= %s"
            " AND NOT EXISTS (SELECT 1 FROM orders o WHERE o.customer_id = c.customer_id) ORDER BY c.customer_id LIMIT 1",
            self._any_customer(),
        )
        if row:
            self._write("customers", "deleted", "DELETE FROM customers WHERE customer_id = %s", row[0])

    # ---- the shop's side
    def advance_order(self) -> None:
        """The next status of an open order: paid, shipped, delivered; cancelled now and then."""
        row = self._one(
            "SELECT order_id, status, total FROM orders WHERE order_id <= %s AND deleted_at IS NULL"
            " AND status IN ('placed', 'paid', 'shipped') ORDER BY order_id DESC LIMIT 1",
            self._some_order(),
        )
        if not row:
            return
        order_id, status, total = row
        if status != "shipped" and self.random.random() < 0.07:
            self._move_order(order_id, status, "cancelled")
        elif status == "placed":
            self._pay(order_id, total)
        else:
            self._move_order(order_id, status, NEXT_STATUS[status])

    def amend_order(self) -> None:
        """A note on any order, however old."""
        note = f"{self.random.choice(WORDS['notes'])} ({self.random.randrange(10**6)})"
        self._write("orders", "updated", "UPDATE orders SET note = %s WHERE order_id = %s AND deleted_at IS NULL", note, self._some_order())

    def delete_order(self) -> None:
        """Soft delete: deleted_at is set, the row stays."""
        statement = "UPDATE orders SET deleted_at = UTC_TIMESTAMP(6) WHERE order_id = %s AND deleted_at IS NULL"
        self._write("orders", "soft_deleted", statement, self._some_order())

    def change_price(self) -> None:
        """A product becomes up to a fifth dearer or cheaper."""
        product_id, price = self._any_product()
        price = max(CENT, (price * Decimal(str(round(self.random.uniform(0.8, 1.2), 2)))).quantize(CENT, ROUND_HALF_UP))
        self._write("products", "updated", "UPDATE products SET price = %s WHERE product_id = %s", price, product_id)

    # ---- shared steps
    def _pay(self, order_id: int, total: Decimal) -> None:
        # payment after the status: of two payers of one order the second finds it no longer 'placed'
        if self._move_order(order_id, "placed", "paid"):
            method = self.random.choice(("card", "card", "card", "paypal", "bank_transfer", "gift_card", "invoice"))
            reference = str(UUID(bytes=self.random.randbytes(16)))
            self._write(
                "payments", "inserted",
                "INSERT INTO payments (order_id, method, amount, paid_at, reference) VALUES (%s, %s, %s, UTC_TIMESTAMP(6), %s)",
                order_id, method, total, reference,
            )  # fmt: skip

    def _move_order(self, order_id: int, before: str, after: str) -> int:
        return self._write(
            "orders", "updated",
            "UPDATE orders SET status = %s WHERE order_id = %s AND status = %s AND deleted_at IS NULL", after, order_id, before,
        )  # fmt: skip

    def _any_customer(self) -> int:
        return int(self._pick("customers", "customer_id", "customer_id", skew=2.2)[0])

    def _any_product(self) -> tuple[int, Decimal]:
        product_id, price = self._pick("products", "product_id", "product_id, price", skew=1.5)
        return int(product_id), price

    def _pick(self, table: str, key: str, columns: str, skew: float) -> tuple[Any, ...]:
        newest = (self._one(f"SELECT MAX({key}) FROM {table}") or (None,))[0]
        rank = int((newest or 0) * self.random.random() ** skew)
        # >= because deleted customers leave holes; the newest may just have gone
        row = self._one(f"SELECT {columns} FROM {table} WHERE {key} >= %s ORDER BY {key} LIMIT 1", rank)
        if row is None:
            raise EmptyShopError(f"table {table} has no rows to work with: load the sample first")
        return row

    def _some_order(self) -> int:
        """Mostly a recent order; one in five is any order of the history."""
        newest = int((self._one("SELECT MAX(order_id) FROM orders") or (None,))[0] or 0)
        back = self.random.random() * newest if self.random.random() < 0.2 else self.random.expovariate(1 / 300)
        return max(1, newest - int(back))

    def _insert(self, table: str, columns: str, *rows: tuple[Any, ...]) -> int:
        """One multi-row INSERT; the id of its first row."""
        marks = f"({', '.join(['%s'] * len(columns.split()))})"
        statement = f"INSERT INTO {table} ({', '.join(columns.split())}) VALUES {', '.join([marks] * len(rows))}"
        self._write(table, "inserted", statement, *(value for row in rows for value in row))
        return int(self.connection.insert_id())

    def _write(self, table: str, verb: str, statement: str, *values: Any) -> int:
        with self.connection.cursor() as cursor:
            changed = int(cursor.execute(statement, values))
        if changed:
            self.written[table, verb] += changed
        return changed

    def _one(self, query: str, *values: Any) -> tuple[Any, ...] | None:
        with self.connection.cursor() as cursor:
            cursor.execute(query, values)
            row: tuple[Any, ...] | None = cursor.fetchone()
        return row


def _amount(quantity: int, price: Decimal, discount: Decimal) -> Decimal:
    """One line's part of orders.total, rounded as the server rounds: half away from zero."""
    return (quantity * price * (1 - discount)).quantize(CENT, ROUND_HALF_UP)


# How often, out of 100. Reading and buying prevail, as in a shop.
ACTIONS: dict[str, tuple[Callable[[Application], None], int]] = {
    "browse": (Application.browse, 38),
    "place_order": (Application.place_order, 25),
    "advance_order": (Application.advance_order, 18),
    "amend_order": (Application.amend_order, 4),
    "delete_order": (Application.delete_order, 2),
    "change_price": (Application.change_price, 3),
    "sign_up": (Application.sign_up, 4),
    "edit_customer": (Application.edit_customer, 4),
    "delete_customer": (Application.delete_customer, 2),
}
