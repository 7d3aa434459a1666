"""Spatial types: well-known binary, and the reference system that says what the numbers mean."""

from __future__ import annotations

import struct

from benchmarks.conformance.case import Case, Geometry


def _point(x: float, y: float) -> bytes:
    return struct.pack("<BIdd", 1, 1, x, y)


def _points(kind: int, *points: tuple[float, float]) -> bytes:
    return struct.pack("<BII", 1, kind, len(points)) + b"".join(struct.pack("<dd", *point) for point in points)


_SQUARE = ((0.0, 0.0), (4.0, 0.0), (4.0, 4.0), (0.0, 0.0))
_POLYGON = struct.pack("<BII", 1, 3, 1) + struct.pack("<I", len(_SQUARE)) + b"".join(struct.pack("<dd", *point) for point in _SQUARE)
_TWO = struct.pack("<BII", 1, 4, 2) + _point(1, 2) + _point(3, 4)

CASES = (
    Case("POINT", "ST_GeomFromText('POINT(1 2)')", Geometry(_point(1, 2)), "no reference system"),
    Case("POINT", "ST_GeomFromText('POINT(0.1 -0.2)')", Geometry(_point(0.1, -0.2)), "coordinates with all their bits"),
    Case("POINT", "ST_GeomFromText('POINT(48.1 11.5)', 4326)", Geometry(_point(48.1, 11.5), 4326, _point(11.5, 48.1)), "latitude, longitude"),
    Case("GEOMETRY", "ST_GeomFromText('POINT(1 2)', 3857)", Geometry(_point(1, 2), 3857), "metres of a map"),
    Case("LINESTRING", "ST_GeomFromText('LINESTRING(0 0, 1 2)')", Geometry(_points(2, (0, 0), (1, 2))), "a line"),
    Case("POLYGON", "ST_GeomFromText('POLYGON((0 0, 4 0, 4 4, 0 0))')", Geometry(_POLYGON), "an area"),
    Case("MULTIPOINT", "ST_GeomFromText('MULTIPOINT(1 2, 3 4)')", Geometry(_TWO), "two points"),
    Case(
        "GEOMETRYCOLLECTION",
        "ST_GeomFromText('GEOMETRYCOLLECTION(POINT(1 2))')",
        Geometry(struct.pack("<BII", 1, 7, 1) + _point(1, 2)),
        "a collection",
    ),
)  # fmt: skip
