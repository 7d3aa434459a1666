"""Do windows lose rows? Several rules read the same table at once, under writers that make rows late in every way we know.

The short form runs with every `./lake test`. The long one, whose figures are in docs/windows.md:
`WINDOWS_EXPERIMENT_ROWS=10000 ./lake test -- tests/windows -s`
"""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from cli.stack.settings import Settings
from tests.source_database import source_database
from tests.windows.rules import AboveMaximum, FixedLag, Ours, OursByTheClock, OursWithoutStatements, Rule, UntilNow
from tests.windows.writers import MARGIN_S, SERVER_STAMPED, Traffic

pytestmark = [pytest.mark.services, pytest.mark.timeout(900)]

ROWS = int(os.environ.get("WINDOWS_EXPERIMENT_ROWS", "1200"))
SECONDS = 14  # at least: some metadata locks and some long transactions
KINDS = ("short", "long", "blocked", "application", "back-dated")


@dataclass(frozen=True)
class Outcome:
    """What was written, and what each rule made of it."""

    truth: dict[int, str]
    rules: dict[str, Rule]

    def lost(self, name: str) -> Counter[str]:
        """Rows that the rule never read, by the kind of their writer."""
        rule = self.rules[name]
        late = rule.late if isinstance(rule, Ours) else ()
        return Counter(kind for key, kind in self.truth.items() if key not in rule.read and key not in late)

    def assert_complete(self, name: str, kinds: tuple[str, ...] = KINDS) -> None:
        """The experiment's assertion: nothing of these kinds was lost, and no window read a row twice."""
        lost = self.lost(name)
        assert not [kind for kind in kinds if lost[kind]], f"{name} lost {dict(lost)}"
        assert max(self.rules[name].read.values()) == 1

    def table(self) -> Iterator[str]:
        """The figures."""
        written = Counter(self.truth.values())
        yield f"{'rows lost':32}" + "".join(f"{kind:>13}" for kind in (*KINDS, "all"))
        yield f"{'(written)':32}" + "".join(f"{written[kind]:>13,}" for kind in KINDS) + f"{len(self.truth):>13,}"
        for name in self.rules:
            lost = self.lost(name)
            yield f"{name:32}" + "".join(f"{lost[kind]:>13,}" for kind in KINDS) + f"{lost.total():>13,}"


@pytest.fixture(scope="module")
def outcome(settings: Settings) -> Iterator[Outcome]:
    with source_database(settings) as source:
        traffic = Traffic(source)
        start = datetime.now(UTC).replace(microsecond=0)
        audits = 15  # windows of two seconds: further back than rows are dated
        rules: list[Rule] = [
            AboveMaximum(source),
            UntilNow(source),
            FixedLag(source),
            Ours(source, start, margin_s=MARGIN_S, audits=audits),
            (exact := Ours(source, start, margin_s=0, audits=0)),
            OursByTheClock(source, start, margin_s=0, audits=0),
            OursWithoutStatements(source, start, margin_s=0, audits=0),
        ]
        exact.name = "ours for a server's stamps"
        stop, errors = threading.Event(), list[BaseException]()
        ends: list[datetime] = []

        def run(rule: Rule) -> None:
            try:
                while not stop.is_set():
                    rule.poll()
                rule.finish(ends[0])
            except BaseException as error:  # noqa: BLE001 (for the test's thread)
                errors.append(error)

        readers = [threading.Thread(target=run, args=(rule,)) for rule in rules]
        for reader in readers:
            reader.start()
        began = time.monotonic()
        traffic.start()
        while time.monotonic() - began < SECONDS or source.run("SELECT COUNT(*) FROM rows_")[0][0] < ROWS:
            assert not traffic.errors + errors
            time.sleep(0.5)
        traffic.stop()
        ends.append(source.hook().clock())
        stop.set()
        for reader in readers:
            reader.join()
        assert not traffic.errors + errors
        found = Outcome(traffic.truth, {rule.name: rule for rule in rules})
        print(f"\n{time.monotonic() - began:.0f} s", *found.table(), sep="\n")
        ours = found.rules["ours"]
        assert isinstance(ours, Ours)
        print(f"ours: {len(ours.late):,} of these rows were found by the audit")
        yield found


def test_ours_loses_no_row(outcome: Outcome) -> None:
    outcome.assert_complete("ours")
    assert len(outcome.truth) >= ROWS


def test_what_no_margin_covers_is_found_by_the_audit(outcome: Outcome) -> None:
    ours = outcome.rules["ours"]
    assert isinstance(ours, Ours)
    assert {outcome.truth[key] for key in ours.late} == {"back-dated"}


@pytest.mark.parametrize("name", [AboveMaximum.name, UntilNow.name, FixedLag.name])
def test_the_naive_rules_lose_rows_in_the_same_run(outcome: Outcome, name: str) -> None:
    lost = outcome.lost(name)
    assert lost["long"] > 0
    assert lost["back-dated"] > 0
    assert name == AboveMaximum.name or lost["blocked"] > 0
    with pytest.raises(AssertionError, match="lost"):
        outcome.assert_complete(name)


def test_stamps_of_the_server_need_no_margin_and_others_do(outcome: Outcome) -> None:
    """One rule without margin: all that the server stamped, and not all that the application did."""
    outcome.assert_complete("ours for a server's stamps", SERVER_STAMPED)
    assert outcome.lost("ours for a server's stamps")["application"] > 0


def test_labels_tell_the_two_apart(outcome: Outcome) -> None:
    guarantees = {name: rule.guarantees for name, rule in outcome.rules.items() if isinstance(rule, Ours)}
    assert guarantees["ours for a server's stamps"] == {"exact"}
    assert guarantees["ours"] == {"reduced"}


@pytest.mark.parametrize("rule", [OursByTheClock, OursWithoutStatements])
def test_a_rule_that_is_broken_on_purpose_is_caught(outcome: Outcome, rule: type[Ours]) -> None:
    with pytest.raises(AssertionError, match="lost"):
        outcome.assert_complete(rule.name, SERVER_STAMPED)
