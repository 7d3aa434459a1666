"""Points between two keys: guesses at where a range may be cut. The server takes the next row for each, so a bad guess costs a look-up."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tributary.core.chunks import KeyColumn, Point

# Characters that keys are made of, whatever the collation's order of them is.
_ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz-_.:/@ "
# Bytes behind the common prefix of two binary strings that are interpolated.
_DEPTH = 8
_CODECS = {"utf8mb4": "utf-8", "utf8mb3": "utf-8", "utf8": "utf-8", "latin1": "cp1252", "ascii": "ascii"}


def between(columns: Sequence[KeyColumn], first: Point, last: Point, pieces: int) -> list[Point]:
    """Points that may cut the rows from `first` to `last`, which differ, into about `pieces`; leading columns only. Empty: no idea."""
    at = next(at for at, (low, high) in enumerate(zip(first, last, strict=True)) if low != high)
    column = columns[at]
    try:
        values = _values(column, first[at], last[at], pieces)
    except ValueError:  # a zero date, a character set that we cannot write: the server cuts by walking
        return []
    return [(*first[:at], value) for value in dict.fromkeys(values) if value != first[at]]


def _values(column: KeyColumn, low: str, high: str, pieces: int) -> list[str]:
    match column.kind:
        case "integer":
            return [str(value) for value in _steps(int(low), int(high), pieces)]
        case "decimal":
            digits = max(-Decimal(value).as_tuple().exponent for value in (low, high))  # type: ignore[operator]
            start, end = (int(Decimal(value).scaleb(digits)) for value in (low, high))
            return [format(Decimal(value).scaleb(-digits), "f") for value in _steps(start, end, pieces)]
        case "temporal":
            since, until = (datetime.fromisoformat(value) for value in (low, high))
            grain = timedelta(days=1) if len(low) == len("2026-01-01") else timedelta(microseconds=1)
            # A date has no hours; a point in time has six digits at most.
            return [
                str((since + step * grain).date() if grain.days else (since + step * grain).isoformat(" "))
                for step in _steps(0, (until - since) // grain, pieces)
            ]
        case "bytes":
            return _bytes(bytes.fromhex(low), bytes.fromhex(high), pieces)
        case "text":
            return _text(column.cast, bytes.fromhex(low), bytes.fromhex(high), pieces)


def _steps(low: int, high: int, pieces: int) -> list[int]:
    """Numbers that cut `(low, high]` evenly, the last is `high`; downwards where that is less (a descending key)."""
    return [low + (high - low) * piece // pieces for piece in range(1, pieces + 1)]


def _bytes(low: bytes, high: bytes, pieces: int) -> list[str]:
    same = next((at for at, (a, b) in enumerate(zip(low, high, strict=False)) if a != b), min(len(low), len(high)))
    end = same + _DEPTH
    start, stop = (int.from_bytes(value[same:end].ljust(_DEPTH, b"\0"), "big") for value in (low, high))
    return [(low[:same] + value.to_bytes(_DEPTH, "big").rstrip(b"\0")).hex() for value in _steps(start, stop, pieces)]


def _text(charset: str, low: bytes, high: bytes, pieces: int) -> list[str]:
    codec = _CODECS.get(charset)
    if codec is None:
        raise ValueError(f"no codec for {charset}")
    one, other = low.decode(codec), high.decode(codec)
    # Letters that differ in case only may be one letter to the collation; then what follows tells the keys apart.
    same = next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a.casefold() != b.casefold()), min(len(one), len(other)))
    points = [ord(text[same]) if len(text) > same else 32 for text in (one, other)]
    letters = [*_ALPHABET, *map(chr, sorted(_steps(min(points), max(points), pieces)))]
    found = [text[:same] + letter for text in (one, other) for letter in letters]
    found += [other[: same + 1]]
    return [text.encode(codec).hex() for text in found if _encodable(text, codec)]


def _encodable(text: str, codec: str) -> bool:
    try:
        text.encode(codec)
    except UnicodeEncodeError:  # a surrogate, or a letter that the column cannot hold
        return False
    return True
