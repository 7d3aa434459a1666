"""ENUM and SET: names that the server keeps as numbers."""

from __future__ import annotations

from benchmarks.conformance.case import Case

_SIXTY_FOUR = [f"m{at:02d}" for at in range(64)]

CASES = (
    Case("ENUM('new','it''s','a)')", "'it''s'", "it's", "a quote inside a name"),
    Case("ENUM('new','it''s','a)')", "'a)'", "a)", "a bracket inside a name"),
    Case("ENUM('a','b')", "'no such name'", "", "index 0: what the server keeps of a wrong name"),
    Case("ENUM('','b')", "1", "", "the empty name, which is index 1"),
    Case("ENUM('1','0')", "'0'", "0", "names that look like indexes"),
    Case("ENUM('ž','🐎')", "2", "🐎", "a name of four bytes"),
    Case("ENUM('Ä','ä ') CHARACTER SET latin1 COLLATE latin1_bin", "1", "Ä", "latin1"),
    Case("SET('x','y','z')", "'z,x'", "x,z", "in the order of the definition"),
    Case("SET('x','y','z')", "''", "", "none of them, and not NULL"),
    Case(f"SET({','.join(repr(name) for name in _SIXTY_FOUR)})", "18446744073709551615", ",".join(_SIXTY_FOUR), "all of 64"),
    Case("SET('ž','🐎')", "3", "ž,🐎", "names of two and four bytes"),
)
