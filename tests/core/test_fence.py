from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from tributary.core.errors import CheckError
from tributary.core.fence import Commit, counted_anew, joined, own, refuse_shrink, remaining, superseded, taken, whole_days
from tributary.core.position import Position
from tributary.core.staged import Read
from tributary.core.window import Window

UTC_ZONE = ZoneInfo("UTC")
DAY = date(2026, 1, 1)


def days(first: int, last: int) -> Window:
    return Window(datetime(2026, 1, first, tzinfo=UTC), datetime(2026, 1, last, tzinfo=UTC))


def read(window: Window | None, number: int) -> Read:
    at = datetime(2026, 2, 1, tzinfo=UTC) + timedelta(seconds=number)
    return Read(window=window, position=Position(server="a", version="10", read_at=at, binlog_file="bin.1", binlog_offset=number))


def commit(*reads: Read, attempt: str = "theirs") -> Commit:
    return Commit(attempt=attempt, plan_hash="h", window=days(1, 9), reads=reads, rows=1, days=())


def test_the_commit_of_an_attempt_is_found() -> None:
    mine = commit(attempt="mine")
    assert own("mine", [commit(), mine]) is mine
    assert own("mine", [commit()]) is None


def test_what_nobody_read_later_remains() -> None:
    ours = [read(days(1, 5), 10)]
    assert remaining(ours, []) == ours
    assert remaining(ours, [commit(read(days(1, 5), 10))]) == ours, "an equal position is not newer"
    assert remaining(ours, [commit(read(days(1, 5), 9))]) == ours
    assert remaining(ours, [commit(read(days(7, 9), 20))]) == ours
    assert remaining(ours, [commit(read(days(2, 3), 20))]) == [read(days(1, 2), 10), read(days(3, 5), 10)]
    assert remaining(ours, [commit(read(days(1, 3), 20)), commit(read(days(3, 9), 11))]) == []


def test_each_range_counts_with_its_own_position() -> None:
    theirs = commit(read(days(1, 2), 10), read(days(2, 3), 30))
    assert remaining([read(days(1, 3), 20)], [theirs]) == [read(days(1, 2), 20)]


def test_a_whole_table_is_one_thing() -> None:
    assert remaining([read(None, 10)], [commit(read(None, 20))]) == []
    assert remaining([read(None, 10)], [commit(read(None, 5))]) == [read(None, 10)]
    assert remaining([read(days(1, 2), 10)], [commit(read(None, 20))]) == []


def anew(window: Window | None, number: int) -> Read:
    """As `read`, a day later, after RESET BINARY LOGS."""
    found = read(window, number)
    return Read(window=window, position=found.position.model_copy(update={"read_at": found.position.read_at + timedelta(days=1)}))


def test_rows_that_were_read_after_the_binlog_was_counted_anew_remain() -> None:
    assert remaining([anew(days(1, 2), 1)], [commit(read(days(1, 2), 500))]) == [anew(days(1, 2), 1)]
    assert remaining([read(days(1, 2), 500)], [commit(anew(days(1, 2), 1))]) == []


@pytest.mark.parametrize("window", [days(1, 5), None])
def test_who_decided_by_the_clock_says_so_until_the_range_was_read_again(window: Window | None) -> None:
    before, after = commit(read(window, 500)), commit(anew(window, 1))
    assert counted_anew([read(window, 501)], [before]) == ()
    (label,) = counted_anew([anew(window, 2)], [before])
    assert "counted anew between 2026-02-01 00:08:20 UTC, bin.1:500 and 2026-02-02 00:00:02 UTC, bin.1:2: the server's clock" in label
    assert counted_anew([anew(window, 3)], [after, before]) == ()
    assert counted_anew([anew(days(7, 9), 2)], [commit(read(days(1, 5), 500))]) == ()


def test_of_a_range_that_was_read_again_in_part_the_rest_still_says_so() -> None:
    assert counted_anew([anew(days(1, 5), 3)], [commit(anew(days(2, 3), 1)), commit(read(days(1, 5), 500))])
    assert not counted_anew([anew(days(2, 3), 3)], [commit(anew(days(1, 5), 1)), commit(read(days(1, 5), 500))])


def test_who_is_superseded_says_by_what() -> None:
    label = superseded([read(days(1, 2), 10)], [commit(read(days(1, 2), 20), read(days(2, 3), 30)), commit(read(days(1, 2), 5))])
    assert label.startswith("superseded: nothing of this run was published, rows that were read later (2026-02-01 00:00:20 UTC, bin.1:20)")


def test_taken_is_the_other_half_of_remaining() -> None:
    ours = [read(days(1, 5), 10)]
    assert taken(ours, remaining(ours, [commit(read(days(2, 3), 20))])) == [days(2, 3)]
    assert taken(ours, ours) == []


def test_neighbours_of_one_position_are_joined() -> None:
    assert joined([read(days(2, 3), 10), read(days(1, 2), 10), read(days(3, 4), 11)]) == (read(days(1, 3), 10), read(days(3, 4), 11))
    assert joined([read(None, 1)]) == (read(None, 1),)


def test_only_whole_days_may_be_replaced() -> None:
    half = Window(datetime(2026, 1, 2, 12, tzinfo=UTC), datetime(2026, 1, 4, tzinfo=UTC))
    assert whole_days([read(half, 1)], UTC_ZONE) == (date(2026, 1, 3),)
    halves = [Window(half.start, half.start + timedelta(hours=12)), Window(datetime(2026, 1, 2, tzinfo=UTC), half.start)]
    assert whole_days([read(window, 1) for window in halves], UTC_ZONE) == (date(2026, 1, 2),)


def test_a_commit_of_a_later_version_of_the_project_can_be_read() -> None:
    note = commit(read(days(1, 2), 3)).model_dump(mode="json") | {"invented_later": 1}
    assert Commit.model_validate(note) == commit(read(days(1, 2), 3))


def test_rows_may_stay_or_grow() -> None:
    refuse_shrink("d", {DAY: 10}, {DAY: 10}, max_shrink=0)
    refuse_shrink("d", {DAY: 10}, {DAY: 11}, max_shrink=0)
    refuse_shrink("d", {}, {}, max_shrink=0)


def test_a_gain_of_one_day_does_not_hide_another_days_loss() -> None:
    with pytest.raises(CheckError, match=r"d would lose 1 of 20 rows \(2026-01-01: 10 rows now, 9 in this run\)"):
        refuse_shrink("d", {DAY: 10, date(2026, 1, 2): 10}, {DAY: 9, date(2026, 1, 2): 100}, max_shrink=0)


def test_a_loss_up_to_max_shrink_passes() -> None:
    refuse_shrink("d", {DAY: 100}, {DAY: 90}, max_shrink=0.1)
    with pytest.raises(CheckError, match=r"would lose 11 of 100 rows"):
        refuse_shrink("d", {DAY: 100}, {DAY: 89}, max_shrink=0.1)
    refuse_shrink("d", {DAY: 100}, {}, max_shrink=1)


def test_many_shrunken_days_are_summed_up() -> None:
    now: dict[date | None, int] = {date(2026, 1, day): 10 for day in range(1, 11)}
    with pytest.raises(CheckError, match=r"2026-01-03: 10 rows now, 0 in this run and 7 more days\)"):
        refuse_shrink("d", now, {}, max_shrink=0)
