from datetime import UTC, datetime, timedelta

import pytest

from tributary.core.position import Position, oldest

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def position(minutes: int = 0, file: str | None = None, offset: int | None = None, server: str = "a") -> Position:
    return Position(server=server, version="10.11", read_at=NOON + timedelta(minutes=minutes), binlog_file=file, binlog_offset=offset)


def test_the_binlog_orders_two_reads_of_one_server_whatever_its_clock_said() -> None:
    early, late = position(5, "bin.000009", 900), position(0, "bin.000010", 4)
    assert early.is_older_than(late)
    assert not late.is_older_than(early)


def test_binlog_files_are_ordered_by_number_beyond_their_width() -> None:
    assert position(0, "bin.999999", 1).is_older_than(position(0, "bin.1000000", 1))


def test_equal_positions_are_not_older() -> None:
    assert not position(0, "bin.000001", 4).is_older_than(position(0, "bin.000001", 4))
    assert not position().is_older_than(position())


def test_an_idle_server_is_ordered_by_its_clock() -> None:
    assert position(0, "bin.000001", 4).is_older_than(position(1, "bin.000001", 4))


@pytest.mark.parametrize(
    "after", [("bin.000001", 4), ("binlog.000001", 4), ("binlog.000900", 4)], ids=["reset", "renamed", "renamed, higher"]
)
def test_where_the_binlog_was_counted_anew_the_clock_decides(after: tuple[str, int]) -> None:
    before, later = position(0, "bin.000500", 900), position(61, *after)
    assert before.is_older_than(later)
    assert not later.is_older_than(before)
    assert before.counted_anew(later)
    assert later.counted_anew(before)


def test_a_clock_that_was_set_back_by_less_than_an_hour_contradicts_no_binlog() -> None:
    before, later = position(60, "bin.000009", 900), position(0, "bin.000010", 4)
    assert before.is_older_than(later)
    assert not before.counted_anew(later)
    assert not later.counted_anew(before)


def test_a_binlog_that_stood_still_for_hours_was_not_counted_anew() -> None:
    assert not position(0, "bin.000001", 4).counted_anew(position(600, "bin.000001", 4))
    assert not position(0, "bin.000001", 4).counted_anew(position(600, "bin.000002", 4))
    assert not position(0, "bin.000009", 4).counted_anew(position(600, "bin.000001", 4, server="b"))


def test_without_a_common_binlog_the_clock_decides() -> None:
    assert position(0, "bin.000009", 4).is_older_than(position(1, "bin.000001", 4, server="b"))
    assert position(0).is_older_than(position(1, "bin.000001", 4))


def test_the_oldest_of_several_is_what_a_run_may_claim() -> None:
    assert oldest([position(3), position(1), position(2)]) == position(1)
    with pytest.raises(ValueError, match="no position"):
        oldest([])
