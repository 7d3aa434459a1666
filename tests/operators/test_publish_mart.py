"""A mart's day is computed from the lake and never replaced by a result of older inputs."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
import yaml
from airflow.sdk import Asset

from tests.lake_support import Lake, context, contract, days
from tributary.core.errors import ContractError, LakeUnavailable, PublishConflict, WindowError
from tributary.hooks.lake import LakeHook
from tributary.operators.publish_mart import PublishMartOperator
from tributary.publishers import fenced
from tributary.publishers.delta_mart import DeltaMart

pytestmark = pytest.mark.services

SQL = """-- Sales of one day.
SELECT $day AS day, count(*) AS n, CAST(sum(amount) AS DECIMAL(18, 2)) AS total
FROM {items} WHERE created_date = $day HAVING count(*) > 0;
"""


class Mart:
    def __init__(self, hook: LakeHook, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.items = Lake(hook, contract("append"))
        self.name = f"m_{uuid4().hex[:12]}"
        self.lake = Lake(hook, contract("append", dataset=self.name))
        monkeypatch.setenv("TRIBUTARY_SQL_DIR", str(folder))
        self.file = folder / self.name / "mart.sql"
        self.file.parent.mkdir()
        self.write(SQL)

    def write(self, sql: str) -> None:
        self.file.write_text(sql.replace("{items}", self.items.contract.dataset))

    def operator(self, **more: Any) -> PublishMartOperator:
        return PublishMartOperator(task_id="publish", mart=self.name, inputs=[self.items.contract.dataset], partition_column="day", **more)

    def run(self, day: str) -> dict[str, Any]:
        return dict(self.operator().run(context({"day": day})))

    def rows(self) -> list[tuple[Any, ...]]:
        return self.lake.query("SELECT day::VARCHAR, n, total FROM {t} ORDER BY 1")


@pytest.fixture
def mart(hook: LakeHook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mart:
    return Mart(hook, tmp_path, monkeypatch)


def test_a_day_is_computed_and_computed_again(mart: Mart) -> None:
    mart.items.publish(days(1, 3), mart.items.append_rows(1, 2) + mart.items.append_rows(2, 3), 10)
    assert mart.run("2026-01-01") == {"days": ["2026-01-01"], "rows": 1, "lake_version": 1}
    mart.run("2026-01-02")
    mart.items.publish(days(1, 2), mart.items.append_rows(1, 4), 20)
    mart.run("2026-01-01")
    assert mart.rows() == [("2026-01-01", 4, Decimal("6.00")), ("2026-01-02", 3, Decimal("4.50"))]


def test_the_day_is_the_runs_partition_key(mart: Mart) -> None:
    mart.items.publish(days(1, 2), mart.items.append_rows(1, 2), 10)
    asset = Asset(mart.name, uri=f"test://{mart.name}")
    run = context(partition_key="2026-01-01")
    assert mart.operator(outlets=[asset]).run(run)["days"] == ["2026-01-01"]
    event = run["outlet_events"][asset]
    assert event.partition_keys == {"2026-01-01"}
    assert event.extra == {"rows": 1, "inputs": {mart.items.contract.dataset: 1}}


def test_days_that_changed_together_are_computed_in_one_commit(mart: Mart) -> None:
    mart.items.publish(days(1, 3), mart.items.append_rows(1, 2) + mart.items.append_rows(2, 3), 10)
    changed = [SimpleNamespace(partition_key=key) for key in ("2026-01-02", "2026-01-01", "2026-01-02")]
    run = context(triggering_asset_events={"orders/day": changed[:1], "items/day": changed[1:]}, partition_key="2026-01")
    published = mart.operator().run(run)
    assert published == {"days": ["2026-01-01", "2026-01-02"], "rows": 2, "lake_version": 1}
    assert mart.rows() == [("2026-01-01", 2, Decimal("3.00")), ("2026-01-02", 3, Decimal("4.50"))]


def test_no_row_empties_the_day(mart: Mart) -> None:
    mart.items.publish(days(1, 3), mart.items.append_rows(1, 2) + mart.items.append_rows(2, 3), 10)
    mart.run("2026-01-01")
    mart.run("2026-01-02")
    mart.items.publish(days(1, 2), [], 20, allow_shrink=True)
    mart.run("2026-01-01")
    assert [row[0] for row in mart.rows()] == ["2026-01-02"]


def test_a_wider_result_widens_the_table_and_another_type_is_refused(mart: Mart) -> None:
    mart.items.publish(days(1, 3), mart.items.append_rows(1, 2) + mart.items.append_rows(2, 3), 10)
    mart.run("2026-01-01")
    mart.write(SQL.replace("DECIMAL(18, 2)", "DECIMAL(22, 2)"))
    mart.run("2026-01-02")
    assert mart.rows() == [("2026-01-01", 2, Decimal("3.00")), ("2026-01-02", 3, Decimal("4.50"))]
    assert mart.lake.query("SELECT DISTINCT typeof(total) FROM {t}") == [("DECIMAL(22,2)",)]
    mart.write(SQL.replace("DECIMAL(18, 2)", "VARCHAR"))
    with pytest.raises(ContractError, match=r"column 'total' is decimal\(22,2\) in the table and string in this run"):
        mart.run("2026-01-02")


def test_a_run_that_was_overtaken_by_one_with_newer_inputs_computes_again(mart: Mart, monkeypatch: pytest.MonkeyPatch) -> None:
    """Computed from the old rows, it stops; the rows change, another run publishes; then it goes on."""
    mart.items.publish(days(1, 2), mart.items.append_rows(1, 2), 10)
    overtake(monkeypatch, mart)
    mart.run("2026-01-01")
    assert mart.rows() == [("2026-01-01", 5, Decimal("7.50"))]


def test_the_same_race_without_the_fence_ends_with_old_rows(mart: Mart, monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control of the test above."""
    monkeypatch.setattr(DeltaMart, "_overtaken", lambda *_: False)
    mart.items.publish(days(1, 2), mart.items.append_rows(1, 2), 10)
    overtake(monkeypatch, mart)
    mart.run("2026-01-01")
    assert mart.rows() == [("2026-01-01", 2, Decimal("3.00"))]


def empty(lake: Lake) -> None:
    """Delete the table's folder, as somebody does who loads it again."""
    for key in list(lake.hook.list_keys(f"{lake.keys.table}/")):
        lake.hook.client.delete_object(Bucket=lake.hook.bucket, Key=key)


def test_an_input_that_was_emptied_and_loaded_again_is_not_older(mart: Mart, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its versions begin again, below those that the mart's commits name."""
    for source in (10, 20, 30):
        mart.items.publish(days(1, 2), mart.items.append_rows(1, 2), source)
    mart.run("2026-01-01")
    empty(mart.items)
    mart.items.publish(days(1, 2), mart.items.append_rows(1, 4), 40)
    computed = spy(monkeypatch, meanwhile=lambda: None)
    mart.run("2026-01-01")
    assert len(computed) == 1
    assert mart.rows() == [("2026-01-01", 4, Decimal("6.00"))]


def test_a_run_that_was_overtaken_by_one_with_a_reloaded_input_computes_again(mart: Mart, monkeypatch: pytest.MonkeyPatch) -> None:
    for source in (10, 20, 30):
        mart.items.publish(days(1, 2), mart.items.append_rows(1, 2), source)

    def meanwhile() -> None:
        empty(mart.items)
        mart.items.publish(days(1, 2), mart.items.append_rows(1, 5), 40)
        mart.run("2026-01-01")

    spy(monkeypatch, meanwhile=meanwhile)
    mart.run("2026-01-01")
    assert mart.rows() == [("2026-01-01", 5, Decimal("7.50"))]


def test_a_run_that_is_overtaken_again_and_again_gives_up_with_a_conflict(mart: Mart, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fenced, "TRIES", 3)
    monkeypatch.setattr(DeltaMart, "_overtaken", lambda *_: True)
    mart.items.publish(days(1, 2), mart.items.append_rows(1, 2), 10)
    computed = spy(monkeypatch, meanwhile=lambda: None)
    with pytest.raises(PublishConflict, match=r"was computed 4 times for 2026-01-01 .* nothing was published"):
        mart.run("2026-01-01")
    assert len(computed) == 4
    assert mart.rows() == []


def test_another_days_run_in_between_does_not_matter(mart: Mart, monkeypatch: pytest.MonkeyPatch) -> None:
    mart.items.publish(days(1, 3), mart.items.append_rows(1, 2) + mart.items.append_rows(2, 3), 10)
    mart.run("2026-01-02")
    computed = spy(monkeypatch, meanwhile=lambda: mart.run("2026-01-02"))
    mart.run("2026-01-01")
    assert len(computed) == 2, "one for each day, none again"
    assert [row[0] for row in mart.rows()] == ["2026-01-01", "2026-01-02"]


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("SELECT DATE '2026-01-02' AS day, $day AS other", r"mart\.sql: day is 2026-01-02 in a run for 2026-01-01; select \$day"),
        ("SELECT count(*) AS n FROM {items}", r"does not use \$day"),
        ("SELECT $day AS day, sum(id) AS n FROM {items}", r"column n is HUGEINT"),
        ("SELECT $day AS day, nothing FROM {items}", r"\"nothing\" not found"),
    ],
)
def test_a_wrong_query_publishes_nothing(mart: Mart, sql: str, message: str) -> None:
    mart.items.publish(days(1, 2), mart.items.append_rows(1, 2), 10)
    mart.write(sql)
    with pytest.raises(ContractError, match=message):
        mart.run("2026-01-01")
    assert list(mart.lake.hook.list_keys(f"{mart.lake.keys.table}/_delta_log")) == []


def test_missing_things_are_named(mart: Mart) -> None:
    with pytest.raises(LakeUnavailable, match="which has no table yet"):
        mart.run("2026-01-01")
    with pytest.raises(WindowError, match="the run has no day"):
        mart.operator().run(context())
    with pytest.raises(WindowError, match="'yesterday' is no day"):
        mart.run("yesterday")
    mart.file.unlink()
    with pytest.raises(ContractError, match=r"mart\.sql does not exist"):
        mart.run("2026-01-01")


def overtake(monkeypatch: pytest.MonkeyPatch, mart: Mart) -> None:
    def meanwhile() -> None:
        mart.items.publish(days(1, 2), mart.items.append_rows(1, 5), 20)
        mart.run("2026-01-01")

    spy(monkeypatch, meanwhile=meanwhile)


def spy(monkeypatch: pytest.MonkeyPatch, *, meanwhile: Callable[[], Any]) -> list[Any]:
    """Run `meanwhile` once, after the first result was computed and before it is published; lists what was computed."""
    real, computed = PublishMartOperator._compute, list[Any]()

    def compute(self: PublishMartOperator, *args: Any) -> Any:
        result = real(self, *args)
        computed.append(result)
        if len(computed) == 1:
            meanwhile()
        return result

    monkeypatch.setattr(PublishMartOperator, "_compute", compute)
    return computed


def test_an_input_in_another_lake_is_refused(mart: Mart, tmp_path: Path) -> None:
    elsewhere = contract("append", dataset=mart.items.contract.dataset, lake={"connection": "archive"})
    (tmp_path / elsewhere.dataset).mkdir()
    content = elsewhere.model_dump(mode="json", exclude_defaults=True)
    (tmp_path / elsewhere.dataset / "dataset.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(ContractError, match=r"lies in the lake 'lake' and reads .*, which lies in 'archive'"):
        mart.run("2026-01-01")
