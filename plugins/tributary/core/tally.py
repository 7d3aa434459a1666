"""Tally: what was seen of each column while its values passed by, in a form that does not depend on the order of the rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

_MODULUS = 1 << 64


@dataclass(slots=True)
class Tally:
    """Sums over the columns of all batches so far.

    `checksums` has an order-free checksum per column (`tributary_native.checksum`), `invalid` the number of values that had no exact equal
    and were stored as the contract's `on_invalid` says, for columns that had some.
    """

    checksums: dict[str, int] = field(default_factory=dict)
    invalid: dict[str, int] = field(default_factory=dict)

    def add(self, checksums: Mapping[str, int], invalid: Mapping[str, int] | None = None) -> None:
        """Add what one more batch or part has."""
        for name, number in checksums.items():
            self.checksums[name] = (self.checksums.get(name, 0) + number) % _MODULUS
        for name, count in (invalid or {}).items():
            self.invalid[name] = self.invalid.get(name, 0) + count


def to_hex(checksums: Mapping[str, int]) -> dict[str, str]:
    """As records carry them: 16 hex digits, for JSON numbers of other languages end at 2^53."""
    return {name: f"{number:016x}" for name, number in checksums.items()}


def total(checksums: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """The checksums of several parts together."""
    sums = Tally()
    for part in checksums:
        sums.add({name: int(digits, 16) for name, digits in part.items()})
    return to_hex(sums.checksums)


def counted(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Counts of several parts together."""
    sums: dict[str, int] = {}
    for part in counts:
        for name, count in part.items():
            sums[name] = sums.get(name, 0) + count
    return sums
