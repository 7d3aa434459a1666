"""What a person and a script see."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
import typer

from cli.console import CommandError, cell, plain, reported, table


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, ""), (True, "yes"), (1234567, "1,234,567"), (Decimal("1.50"), "1.50"), (b"\x00\xff", "00ff"), ("[red]", "[red]")],
)
def test_a_table_shows_values_as_people_read_them(value: object, shown: str) -> None:
    assert cell(value) == shown


def test_json_keeps_decimals_exact_and_has_no_value_that_json_lacks() -> None:
    value = {"d": Decimal("0.10"), "b": b"\x01", "n": float("nan"), "at": datetime(2026, 1, 2, tzinfo=UTC), "days": (date(2026, 1, 2),)}
    assert plain(value) == {"d": "0.10", "b": "01", "n": "nan", "at": "2026-01-02T00:00:00+00:00", "days": ["2026-01-02"]}


def test_outside_a_terminal_a_table_is_plain_lines_with_nothing_cut_off(capsys: pytest.CaptureFixture[str]) -> None:
    long = "x" * 300
    table(["name", "rows"], [("orders", 1000), (long, 2)], title="Datasets", right=["rows"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Datasets"
    assert lines[1].split() == ["name", "rows"]
    assert lines[2].endswith("  1,000")
    assert lines[3] == f"{long}      2"


def test_an_error_of_ours_is_one_message_and_exit_code_1(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as ended, reported():
        raise CommandError("orders [is] gone; make it again")
    assert ended.value.exit_code == 1
    assert capsys.readouterr().err == "lake: orders [is] gone; make it again\n"


def test_a_defect_keeps_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError), reported():
        _ = 1 / 0
