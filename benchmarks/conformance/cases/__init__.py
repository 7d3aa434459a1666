"""The table of hostile values: a module for each kind of type."""

from __future__ import annotations

from benchmarks.conformance.case import Family
from benchmarks.conformance.cases import (
    bits,
    columns,
    dates,
    decimals,
    durations,
    floats,
    integers,
    invalid,
    json_texts,
    names,
    octets,
    spatial,
    texts,
    unknown,
)

FAMILIES: tuple[Family, ...] = tuple(
    Family(module.__name__.rpartition(".")[2], module.CASES)
    for module in (
        integers,
        decimals,
        floats,
        bits,
        dates,
        durations,
        texts,
        octets,
        names,
        json_texts,
        spatial,
        columns,
        invalid,
        unknown,
    )
)
