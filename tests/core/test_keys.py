from datetime import UTC, date, datetime

import pytest

from tributary.core.keys import RECORDS, DatasetKeys, records_prefix
from tributary.core.window import Window

KEYS = DatasetKeys("orders")
DAY = Window(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC))


def test_records_never_lie_under_the_table() -> None:
    for key in (KEYS.run("r", "a"), KEYS.certificate(DAY, "a"), KEYS.certificates):
        assert key.startswith(f"{RECORDS}/orders/")
    for key in (KEYS.published_object(None, None), KEYS.delta_part("created_date", date(2026, 1, 1), "a", 0)):
        assert key.startswith("tables/orders/")


def test_the_published_object_of_a_partition_has_a_fixed_key() -> None:
    assert KEYS.published_object("created_date", date(2026, 1, 1)) == "tables/orders/created_date=2026-01-01/data.parquet"


def test_a_run_id_cannot_leave_its_folder() -> None:
    assert KEYS.run("manual__2026-01-01T00:00:00+00:00", "a") == "_tributary/orders/runs/manual__2026-01-01T00-00-00-00-00/a"
    assert "/" not in KEYS.run("../../x", "a").removeprefix("_tributary/orders/runs/").removesuffix("/a")


def test_a_certificate_sorts_by_its_windows_start() -> None:
    assert KEYS.certificate(DAY, "a") == "_tributary/orders/certificates/20260101T000000Z--20260102T000000Z/a.json"


@pytest.mark.parametrize(("prefix", "records"), [("tables", "_tributary"), ("team/tables", "team/_tributary"), ("a/b/c", "a/b/_tributary")])
def test_records_lie_beside_the_tables_where_the_same_key_may_write(prefix: str, records: str) -> None:
    assert records_prefix(prefix) == records
    keys = DatasetKeys("orders", prefix)
    assert keys.run("r", "a").startswith(f"{records}/orders/")
    assert keys.certificates.startswith(f"{records}/orders/")
