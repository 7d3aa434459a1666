"""Bounds: the least and the greatest value of a column, as text that a record can carry and that two parts' bounds can be joined by."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Literal, Self

from tributary.core.record import Record

# Longer text is cut: a certificate is no place for a column's content.
TEXT_CHARS = 64


class Bounds(Record):
    """Numbers by their digits, times in ISO 8601 (UTC with a Z), text by its first 64 characters, in the order of its bytes.

    Text that was cut ends in "…".
    """

    kind: Literal["number", "time", "text"]
    min: str
    max: str

    @classmethod
    def of(cls, least: Any, greatest: Any) -> Self | None:
        """The bounds of two values as Python has them; None for a type that has no order to speak of (bytes).

        Zero has no sign here: -0.0 equals 0.0, and which of them a writer calls the least is chance.
        """
        kind = _kind(least)
        return cls(kind=kind, min=_text(least), max=_text(greatest)) if kind else None

    def joined(self, other: Bounds) -> Bounds:
        """The bounds of the values of both."""
        order = Decimal if self.kind == "number" else str
        return Bounds(kind=self.kind, min=min(self.min, other.min, key=order), max=max(self.max, other.max, key=order))


def joined(parts: Iterable[Mapping[str, Bounds]]) -> dict[str, Bounds]:
    """The bounds of each column over several parts."""
    found: dict[str, Bounds] = {}
    for part in parts:
        for name, bounds in part.items():
            found[name] = found[name].joined(bounds) if name in found else bounds
    return found


def _kind(value: Any) -> Literal["number", "time", "text"] | None:
    if isinstance(value, bool | str):
        return "text"
    if isinstance(value, int | float | Decimal):
        return "number"
    return "time" if isinstance(value, date) else None  # of which datetime is one


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        naive = value.tzinfo is None
        text = (value if naive else value.astimezone(UTC).replace(tzinfo=None)).isoformat(timespec="microseconds")
        return text if naive else f"{text}Z"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float):
        return repr(value + 0.0)
    if isinstance(value, Decimal):
        return f"{value:f}"
    text = str(value)
    return text if len(text) <= TEXT_CHARS else f"{text[:TEXT_CHARS]}…"
