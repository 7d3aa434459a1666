"""docs/conformance.md: written from the results, and read again by its test."""

from __future__ import annotations

import re
from collections.abc import Sequence

from benchmarks.conformance.case import POLICIES, Case, Refusal, under_policy
from benchmarks.conformance.cases import FAMILIES
from benchmarks.conformance.compare import Outcome
from benchmarks.conformance.peers import PEERS
from benchmarks.conformance.run import OURS, ServerResult

READERS = (OURS, *PEERS)

HEAD = """# Conformance: hostile values, and what arrives

Written by `./lake conformance --docs`; a test fails where the list of values or our own column is stale. Each value is put into a table by
SQL, with a NULL in the row below, and read by each reader with the settings of its own documentation. The expected value is written by
hand in `benchmarks/conformance/cases/` and comes from no reader. Ours goes through the steps that a run goes through (extract, check,
publish), once as Delta and once as Parquet, and is read back by DuckDB; the worse of the two is shown. Peers' files are read by pyarrow.

**exact**: the value arrived, in whatever type holds it: a DECIMAL may be a text, a TIME a count of microseconds, a BIT its bytes, a
TIMESTAMP may lack its zone where its clock is that of UTC. A binary fraction is exact only where it *is* the number, so 0.10 as DOUBLE is
not.
**wrong**: something else arrived, and nobody was told. **refused**: the reader stopped with an error, or crashed.
Values marked † have no exact type in a lake; a reader must refuse them or keep their text. Refusing those is right, and ours does it unless
the contract says otherwise.
"""

POLICIES_TITLE = "## Policies"
POLICIES_HEAD = """What our path makes of the values that it refuses, where the contract's `on_invalid` says what to store; `fail`, the
default, refuses them. A cell is what was read back from the lake, compared as above. A run counts such values in its certificate."""


def page(results: Sequence[ServerResult]) -> str:
    """The whole page."""
    tried = [result for result in results if result.unavailable is None]
    readers = [reader for reader in READERS if any(reader in result.outcomes for result in tried)]
    lines = [HEAD, "## Sum", ""]
    lines += [f"| reader | {' | '.join(f'{r.version}: right | exact | wrong | refused' for r in tried)} |"]
    lines += [f"| --- |{' ---: | ---: | ---: | ---: |' * len(tried)}"]
    for reader in readers:
        counts = [result.count(reader) for result in tried if reader in result.outcomes]
        cells = [f"{c['right']} of {c['of']} | {c['exact']} | {c['wrong']} | {c['refused']}" for c in counts]
        lines.append(f"| {reader} | {' | '.join(cells)} |")
    lines += ["", *(f"{result.server} was not tried: {result.unavailable}" for result in results if result.unavailable)]
    versions = {reader: result.versions[reader] for result in tried for reader in result.versions}
    missing = [reader for reader in READERS if reader not in readers]
    if missing:
        lines += [f"Not run in this call: {'; '.join(missing)}.", ""]
    if versions:
        lines += ["Versions: " + "; ".join(f"{reader}: {version}" for reader, version in versions.items()) + ".", ""]
    lines += [
        f"Where two servers differ, the cell says {' / '.join(result.version for result in tried)}; – where the value exists on one only."
    ]
    for family in FAMILIES:
        lines += ["", f"## {family.name.replace('_', ' ')}", "", f"| id | type | value | {' | '.join(readers)} |"]
        lines += [f"| --- | --- | --- |{' --- |' * len(readers)}"]
        for at, case in enumerate(family.cases, start=1):
            name = f"{family.name}_{at:02d}"
            lines.append(f"{row_head(name, case)} {' | '.join(_cell(tried, reader, name) for reader in readers)} |")
    lines += [
        "",
        POLICIES_TITLE,
        "",
        POLICIES_HEAD,
        "",
        "| id | value | on_invalid: null | on_invalid: string |",
        "| --- | --- | --- | --- |",
    ]
    for family in FAMILIES:
        for at, case in enumerate(family.cases, start=1):
            name = f"{family.name}_{at:02d}"
            if under_policy(case, POLICIES[0]):
                cells = [_policy_cell(tried, policy, name, case) for policy in POLICIES]
                lines.append(f"| {name} | {_escaped(case.why)} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _policy_cell(results: Sequence[ServerResult], policy: str, name: str, case: Case) -> str:
    stored = under_policy(case, policy)
    wanted = "NULL" if stored is None or stored.expected is None else _escaped(str(stored.expected))
    texts = []
    for result in results:
        found = result.policies.get(policy, {}).get(name)
        texts.append("–" if found is None else wanted if found.verdict == "exact" else f"**{found.verdict}**: {_escaped(found.shown)}")
    return texts[0] if len(set(texts)) == 1 else " / ".join(texts)


def row_head(name: str, case: Case) -> str:
    """What a row says of its case."""
    kind = case.type if len(case.type) <= 50 else f"{case.type[:49]}…"
    mark = " †" if isinstance(case.expected, Refusal) else ""
    return f"| {name} | {_escaped(kind)} | {_escaped(case.why)}{mark} |"


def _cell(results: Sequence[ServerResult], reader: str, name: str) -> str:
    texts = []
    for result in results:
        found = result.outcomes.get(reader, {}).get(name)
        texts.append(_text(found) if found else "–")
    return texts[0] if len(set(texts)) == 1 else " / ".join(texts)


def _text(outcome: Outcome) -> str:
    if outcome.verdict != "wrong":
        return outcome.verdict
    return f"**wrong**: {_escaped(outcome.shown)}" if outcome.shown else "**wrong**"


def _escaped(text: str) -> str:
    printable = "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)
    return re.sub(r"([|<>*_`\[\]\\])", r"\\\1", printable)


def our_verdicts(text: str) -> dict[str, str]:
    """Our verdict on every value as a page has it: on the first server that it names."""
    found = {}
    for line in text.partition(POLICIES_TITLE)[0].splitlines():
        cells = re.split(r"(?<!\\)\|", line)
        if len(cells) > 4 and re.fullmatch(r" [a-z_]+_\d\d ", cells[1]):
            words = re.findall(r"exact|wrong|refused|–", cells[4])
            found[cells[1].strip()] = words[0]
    return found
