"""Which windows are counted again, against which count, and what is then read."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from tests.core.test_source_table import contract
from tributary.core.audit import Audited, Counted, audited, newest, reread, with_rows, witnesses
from tributary.core.plan import chunks, reread_chunks
from tributary.core.window import Window

START = datetime(2026, 1, 1, tzinfo=UTC)


def days(first: int, last: int) -> Window:
    return Window(START + timedelta(days=first - 1), START + timedelta(days=last - 1))


def found(window: Window, before: int, now: int) -> Audited:
    return Audited(window=window, certified_rows=before, source_rows=now, at=START)


DAILY = [days(n, n + 1) for n in range(1, 11)]


def test_the_newest_windows_before_the_own_are_counted_again() -> None:
    assert audited(DAILY, days(8, 9), 3) == [days(5, 6), days(6, 7), days(7, 8)]
    assert audited([*DAILY, days(1, 32)], days(3, 4), 3) == [days(1, 2), days(2, 3)]
    assert audited(DAILY, days(1, 2), 3) == []
    assert audited(DAILY, days(8, 9), 0) == []


def test_the_count_of_a_window_stands_in_its_own_certificate_and_in_those_of_later_runs() -> None:
    due = audited(DAILY, days(5, 6), 2)
    assert witnesses(DAILY, due, days(5, 6)) == [days(n, n + 1) for n in (3, 4, 5, 6)]


def test_the_last_look_counts() -> None:
    one, two = (Counted(window=days(1, 2), rows=rows, at=START + timedelta(hours=rows)) for rows in (7, 9))
    assert newest([two, one]) == {days(1, 2): two}
    assert found(days(1, 2), 9, 4).counted.rows == 4  # updates moved five rows on: the sixth that comes shows
    assert found(days(1, 2), 9, 11).model_copy(update={"reread_rows": 12}).counted.rows == 12


def test_a_fall_is_no_miss() -> None:
    assert (found(days(1, 2), 9, 4).missed, found(days(1, 2), 9, 9).missed, found(days(1, 2), 9, 11).missed) == (0, 0, 2)
    assert reread([found(days(1, 2), 9, 4)], days(5, 6)) == []


def test_a_rise_makes_chunks_of_the_window() -> None:
    made, own = contract(), days(5, 6)
    audits = [found(days(2, 4), 9, 11), found(days(4, 5), 1, 1)]
    again = reread_chunks(made, own, audits, after=1)
    assert [(piece.index, piece.window) for piece in again] == [(1, days(2, 3)), (2, days(3, 4))]
    rows = [(piece.window, 10 * piece.index + 5) for piece in [*chunks(made, own), *again]]
    assert [audit.reread_rows for audit in with_rows(audits, rows)] == [15 + 25, None]


def test_a_piece_that_two_audits_share_counts_for_both() -> None:
    audits = [found(days(2, 5), 9, 10), found(days(4, 5), 3, 4)]
    assert [audit.reread_rows for audit in with_rows(audits, [(days(2, 3), 1), (days(3, 4), 5), (days(4, 5), 4)])] == [10, 4]


def test_of_a_window_whose_pieces_reach_beyond_it_the_recount_stays() -> None:
    """Windows of hours that cross: the first is read whole, so that no chunk of the second begins where it begins."""
    noon = Window(START + timedelta(hours=12), START + timedelta(hours=36))
    audits = [found(days(1, 2), 9, 10), found(noon, 3, 4)]
    (first, second) = with_rows(audits, [(days(1, 2), 10), (Window(days(2, 3).start, noon.end), 1)])
    assert (first.reread_rows, second.reread_rows, second.counted.rows) == (10, None, 4)


spans = st.tuples(st.integers(1, 20), st.integers(1, 8)).map(lambda pair: days(pair[0], pair[0] + pair[1]))


@given(st.lists(spans, max_size=6))
def test_nothing_is_read_twice_in_one_run(windows: list[Window]) -> None:
    own = days(10, 12)
    pieces = [own, *reread([found(window, 0, 1) for window in windows], own)]
    assert not any(a.overlaps(b) for n, a in enumerate(pieces) for b in pieces[n + 1 :])
    assert all(any(piece.overlaps(window) for piece in pieces) for window in windows)
