from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from tributary.core import safety
from tributary.core.safety import Reading, Verdict, Watch, Writer, judge
from tributary.core.window import Window

END = datetime(2026, 1, 2, tzinfo=UTC)
DAY = Window(END - timedelta(days=1), END)
NOW = END + timedelta(hours=1)


def writer(started_at: datetime) -> Writer:
    return Writer(kind="transaction", connection_id=42, user="shop_app", host="app1", started_at=started_at, doing="UPDATE orders")


def verdict(*writers: Writer, clock: datetime = NOW, process: bool = True, margin_s: int = 0, replica: str | None = None) -> Verdict:
    reading = Reading(clock=clock, writers=writers if process else None, replica=replica)
    return judge(DAY, reading, Watch(connection="shop", margin_s=margin_s, lag_s=600))


def test_nobody_writing_is_safe_and_exact() -> None:
    assert verdict() == Verdict(safe=True, guarantee="exact", suspects=())


def test_a_window_that_is_not_over_is_not_safe() -> None:
    assert not verdict(clock=END - timedelta(seconds=1)).safe


def test_a_transaction_older_than_the_end_blocks_and_is_named() -> None:
    blocked = verdict(writer(END - timedelta(minutes=5)))
    assert not blocked.safe
    assert "transaction of connection 42 (shop_app@app1), open for 3900 s" in blocked.waiting_for


def test_the_oldest_writer_is_the_one_that_is_named() -> None:
    old = writer(END - timedelta(hours=2)).model_copy(update={"connection_id": 7})
    assert "connection 7 " in verdict(writer(END - timedelta(minutes=5)), old).waiting_for


def test_a_transaction_that_seems_younger_than_the_window_blocks_at_the_first_look() -> None:
    """Its first statement may have waited for a metadata lock: the transaction began after that, its rows are stamped before."""
    assert not verdict(writer(END + timedelta(minutes=10))).safe


def test_a_statement_blocks_where_it_began_before_the_end() -> None:
    def running(started_at: datetime) -> Writer:
        return writer(started_at).model_copy(update={"kind": "statement"})

    assert not verdict(running(END + timedelta(milliseconds=999))).safe  # the process list shows whole seconds
    assert verdict(running(END + timedelta(seconds=1))).safe


FIRST = writer(END + timedelta(minutes=1)).model_copy(update={"transaction": "77"})
STATEMENT = writer(END - timedelta(minutes=1)).model_copy(update={"kind": "statement"})


def again(*writers: Writer, suspects: tuple[Writer, ...]) -> Verdict:
    return judge(DAY, Reading(clock=NOW, writers=writers), Watch(connection="shop"), suspects)


def test_only_those_of_the_first_look_are_waited_for() -> None:
    other = writer(END - timedelta(hours=1)).model_copy(update={"connection_id": 43, "transaction": "78"})
    assert again(FIRST, other, suspects=(FIRST,)).suspects == (FIRST,)
    assert again(other, suspects=(FIRST,)) == Verdict(safe=True, guarantee="exact", suspects=())


def test_the_next_transaction_of_the_same_connection_is_another() -> None:
    after = FIRST.model_copy(update={"transaction": "79", "started_at": FIRST.started_at + timedelta(seconds=3)})
    assert again(after, suspects=(FIRST,)).safe


def test_a_transaction_is_known_by_its_number_or_by_its_connection_and_start() -> None:
    prepared = FIRST.model_copy(update={"connection_id": 0, "user": "unknown"})
    numbered = FIRST.model_copy(update={"transaction": "80"})
    assert not again(prepared, suspects=(FIRST,)).safe
    assert not again(numbered, suspects=(FIRST,)).safe


def test_of_a_statement_its_transaction_is_left() -> None:
    opened = STATEMENT.model_copy(update={"kind": "transaction", "started_at": END + timedelta(minutes=5), "transaction": "81"})
    assert again(opened, suspects=(STATEMENT,)).suspects == (opened,)
    assert not again(STATEMENT.model_copy(update={"started_at": STATEMENT.started_at + timedelta(seconds=1)}), suspects=(STATEMENT,)).safe
    assert again(STATEMENT.model_copy(update={"started_at": NOW}), suspects=(STATEMENT,)).safe  # the connection's next statement


def test_without_process_it_waits_for_the_lag_and_says_so() -> None:
    early = verdict(process=False, clock=END + timedelta(minutes=9))
    late = verdict(process=False, clock=END + timedelta(minutes=10))
    assert (early.safe, late.safe) == (False, True)
    assert late.guarantee == "reduced"
    assert "no PROCESS privilege" in late.labels[0]


def test_an_application_stamped_cursor_waits_for_its_margin_and_is_labelled() -> None:
    assert not verdict(margin_s=60, clock=END + timedelta(seconds=59)).safe
    late = verdict(margin_s=60)
    assert late.safe
    assert late.guarantee == "reduced"
    assert not verdict(writer(END + timedelta(seconds=30)), margin_s=60).safe


def test_a_clock_that_repeats_a_second_is_believed_when_the_second_is_over() -> None:
    """A leap second written as a second 59 or 00: what the clock shows just after midnight it may show before it again."""
    assert not verdict(clock=END + timedelta(milliseconds=999)).safe
    assert verdict(clock=END + timedelta(seconds=1)).safe


def test_a_replica_whose_primary_nobody_named_waits_for_the_lag_and_is_labelled() -> None:
    early = verdict(clock=END + timedelta(minutes=9), replica="it is a replica of db1")
    late = verdict(clock=END + timedelta(minutes=10), replica="it is a replica of db1")
    assert (early.safe, late.safe, late.guarantee) == (False, True, "reduced")
    assert "it is a replica of db1, and source.primary is not named" in late.labels[0]


def test_the_message_says_how_to_end_what_blocks() -> None:
    assert verdict(writer(END)).fix == "End it with KILL 42 on the source"
    prepared = writer(END).model_copy(update={"connection_id": 0, "transaction": "4711"})
    assert "transaction 4711 of connection 0" in verdict(prepared).waiting_for
    assert "XA RECOVER" in verdict(prepared).fix


def snapshot(replica: str | None = None) -> Verdict:
    """Of a table that is read as a whole, while somebody writes and before its window is over."""
    reading = Reading(clock=END - timedelta(hours=1), writers=(), replica=replica)
    return judge(DAY, reading, Watch(connection="shop", snapshot=True))


def test_a_snapshot_waits_for_nobody_and_is_exact_on_the_server_that_takes_the_writes() -> None:
    assert snapshot() == Verdict(safe=True, guarantee="exact")


REDUCED: dict[str, tuple[Callable[[], Verdict], str]] = {
    "no PROCESS": (lambda: verdict(process=False), "no PROCESS privilege; transactions longer than 600 s are missed"),
    "the application stamps": (lambda: verdict(margin_s=60), "the application stamps the cursor; rows later than 60 s are missed"),
    "a replica": (lambda: verdict(replica="it is a replica of db1"), "it is a replica of db1, and source.primary is not named; rows that"),
    "a snapshot of a replica": (
        lambda: snapshot("it is a replica of db1"),
        "it is a replica of db1, and source.primary is not named; the snapshot is as old as it is behind",
    ),
}


def says_so(found: Verdict, reason: str) -> None:
    assert (found.safe, found.guarantee) == (True, "reduced")
    assert found.labels[0].startswith(f"reduced guarantee: {reason}")


@pytest.mark.parametrize(("judged", "reason"), REDUCED.values(), ids=list(REDUCED))
def test_a_run_that_cannot_promise_it_says_reduced_and_why(judged: Callable[[], Verdict], reason: str) -> None:
    says_so(judged(), reason)


@pytest.mark.parametrize(("judged", "reason"), REDUCED.values(), ids=list(REDUCED))
def test_a_judge_without_labels_is_caught(judged: Callable[[], Verdict], reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: such a run would be certified as exact."""
    monkeypatch.setattr(safety, "_labels", lambda *_: iter(()))
    assert judged().guarantee == "exact"
    with pytest.raises(AssertionError):
        says_so(judged(), reason)
