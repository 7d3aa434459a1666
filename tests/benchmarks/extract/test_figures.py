"""Medians, ratios and bars: no figure without an equal result."""

from __future__ import annotations

from benchmarks.extract.figures import BARS, FLOOR, FLOOR_AS_OURS, OURS, OURS_FILE, Bar, Contestant, judge, judge_memory, order, ratio
from benchmarks.extract.measure import Run


def run(seconds: float, *, peak: float = 100, idle: float = 100) -> Run:
    return Run(seconds, client_cpu_s=1, server_cpu_s=1, s3_cpu_s=0, peak_mib=peak, idle_mib=idle)


def contestants(**seconds: tuple[float, ...]) -> dict[str, Contestant]:
    names = {"floor": FLOOR, "lower": FLOOR_AS_OURS, "ours": OURS, "file": OURS_FILE}
    names |= {"pandas": "SqlToS3Operator", "dlt": "dlt, connectorx", "cx": "ConnectorX"}
    return {names[name]: Contestant(names[name], [run(value) for value in values]) for name, values in seconds.items()}


FAST = {"floor": (4.0, 5.0, 4.5), "ours": (5.0, 5.1, 99.0), "file": (4.6, 4.7, 4.8), "pandas": (60,) * 3, "dlt": (20,) * 3, "cx": (9,) * 3}


def test_a_ratio_is_of_medians() -> None:
    assert ratio(contestants(**FAST), OURS, FLOOR) == 5.1 / 4.5


def test_all_bars_are_met_by_figures_that_meet_them() -> None:
    verdicts = judge(contestants(**FAST))
    assert len(verdicts) == len(BARS) == 5
    assert all(verdict.met for verdict in verdicts)


def test_a_slow_reader_misses_its_bars_and_no_other() -> None:
    missed = [verdict.bar for verdict in judge(contestants(**{**FAST, "ours": (6.0,) * 3})) if not verdict.met]
    assert missed == ["Tributary ÷ floor ≤ 1.3", "ConnectorX ÷ Tributary ≥ 1.6"]


def test_a_missed_bar_says_where_the_floor_misses_it_too() -> None:
    said = {
        verdict.bar: verdict.why for verdict in judge(contestants(**{**FAST, "ours": (6.0,) * 3, "dlt": (10.0,) * 3})) if not verdict.met
    }
    assert said["dlt, connectorx ÷ Tributary ≥ 2.5"] == "at 2.22 × the floor, the floor itself misses it"
    assert said["ConnectorX ÷ Tributary ≥ 1.6"] == said["Tributary ÷ floor ≤ 1.3"] == ""


def test_a_lower_floor_may_meet_what_the_plain_one_misses() -> None:
    found = contestants(**{**FAST, "lower": (3.0,) * 3, "ours": (6.0,) * 3, "dlt": (10.0,) * 3})
    assert {verdict.bar: verdict.why for verdict in judge(found)}["dlt, connectorx ÷ Tributary ≥ 2.5"] == ""


def test_a_result_that_differs_has_no_ratio_and_meets_no_bar() -> None:
    found = contestants(**FAST)
    found["ConnectorX"].problem = "6,001,214 rows instead of 6,001,215"
    assert ratio(found, "ConnectorX", OURS) is None
    (verdict,) = judge(found, [Bar("ConnectorX", OURS, 1.6, at_most=False)])
    assert (verdict.met, verdict.value, verdict.why) == (False, None, "ConnectorX: 6,001,214 rows instead of 6,001,215")
    found = contestants(**FAST)
    found[OURS].problem = "other values in l_tax"
    assert [verdict.met for verdict in judge(found)] == [False, True, False, False, False]


def test_what_did_not_run_meets_no_bar() -> None:
    assert not any(verdict.met for verdict in judge({}))
    assert judge(contestants(floor=(1.0,) * 3))[0].why == "Tributary did not run"


def test_two_rounds_are_too_few() -> None:
    verdict = judge(contestants(**{**FAST, "ours": (5.0, 5.0)}))[0]
    assert (verdict.met, verdict.why) == (False, "2 rounds; a bar needs 3")


def test_memory_is_judged_above_an_idle_process_and_by_the_largest_value() -> None:
    assert judge_memory("narrow", [run(1, peak=355, idle=100)], 44).met
    assert not judge_memory("narrow", [run(1, peak=200), run(1, peak=357, idle=100)], 44).met
    assert judge_memory("blobs", [run(1, peak=600, idle=100)], 64 * 2**20).met
    assert not judge_memory("blobs", [run(1, peak=613, idle=100)], 64 * 2**20).met


def test_what_was_not_measured_meets_no_bound_of_memory() -> None:
    assert judge_memory("narrow", [], 44).why == "did not run"
    assert not judge_memory("narrow", [run(1)], 44, "it died").met


def test_every_contestant_begins_a_round() -> None:
    assert [order("abc", number)[0] for number in range(4)] == ["a", "b", "c", "a"]
    assert sorted(order("abc", 2)) == ["a", "b", "c"]
