"""Masking: what must not arrive does not, and what must stay equal does."""

import hashlib
import hmac
from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow as pa
import pytest

from tributary.core.contract_fields import ColumnPolicy
from tributary.core.errors import ContractError
from tributary.core.masking import Masking
from tributary.core.source_table import SourceColumn
from tributary.core.types import lake_schema, source_schema

KEY = b"a key of the test"
COLUMNS = [
    SourceColumn(name=name, type=kind, nullable=True)
    for name, kind in (("id", "int"), ("email", "varchar(99)"), ("phone", "varchar(99)"), ("note", "text"))
]


def policies(**masks: str) -> dict[str, ColumnPolicy]:
    return {name: ColumnPolicy.model_validate({"mask": mask}) for name, mask in masks.items()}


def batch(*rows: tuple[int, str | None, str | None, str | None]) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist(
        [dict(zip(("id", "email", "phone", "note"), row, strict=True)) for row in rows], source_schema(COLUMNS)
    )


def test_each_policy_does_what_it_says_and_null_stays_null() -> None:
    chosen = policies(email="hash", phone="redact", note="drop")
    masked = Masking(chosen, KEY).apply(batch((1, "ann@example.com", "123", "x"), (2, None, None, None)))
    hashed = hmac.new(KEY, b"ann@example.com", hashlib.sha256).hexdigest()
    assert masked.to_pylist() == [{"id": 1, "email": hashed, "phone": "***"}, {"id": 2, "email": None, "phone": None}]
    assert masked.schema == lake_schema(COLUMNS, chosen)


def test_equal_values_stay_equal_across_columns_and_only_under_one_key() -> None:
    chosen = policies(email="hash", phone="hash")
    row = Masking(chosen, KEY).apply(batch((1, "same", "same", None))).to_pylist()[0]
    other = Masking(chosen, b"another key").apply(batch((1, "same", "same", None))).to_pylist()[0]
    assert row["email"] == row["phone"] != other["email"]


def test_any_type_can_be_hashed() -> None:
    schema = pa.schema(
        {"n": pa.int64(), "d": pa.decimal128(5, 2), "day": pa.date32(), "b": pa.binary(), "t": pa.timestamp("us", "UTC"), "f": pa.float32()}
    )
    row = {"n": 42, "d": Decimal("1.50"), "day": date(1980, 1, 2), "b": b"\xff\x00", "t": 0, "f": 0.5}
    masked = Masking(policies(**dict.fromkeys(schema.names, "hash")), KEY).apply(pa.RecordBatch.from_pylist([row], schema))
    text = {"n": b"42", "d": b"1.50", "day": b"1980-01-02", "b": b"\xff\x00", "t": b"1970-01-01 00:00:00.000000Z", "f": b"0.5"}
    assert masked.to_pylist() == [{name: hmac.new(KEY, value, hashlib.sha256).hexdigest() for name, value in text.items()}]


def test_an_empty_batch_keeps_the_masked_schema() -> None:
    chosen = policies(email="hash", phone="redact", note="drop")
    masked = Masking(chosen, KEY).apply(batch())
    assert masked.num_rows == 0
    assert masked.schema == lake_schema(COLUMNS, chosen)


@pytest.mark.parametrize("key", [None, b""])
def test_hashing_without_a_key_is_refused(key: bytes | None) -> None:
    with pytest.raises(ContractError, match=r"column 'email' is to be hashed .* Airflow connection `masking`"):
        Masking(policies(phone="redact", email="hash"), key)
    Masking(policies(phone="redact"), key)


@pytest.mark.parametrize(
    ("kind", "keep", "values", "stored"),
    [
        ("varchar(99)", 3, ["Hamburg", "Ulm", "", "\U0001f600ño!", None], ["Ham", "Ulm", "", "\U0001f600ño", None]),
        ("date", "year", [date(1980, 5, 17), date(1000, 12, 31), None], [date(1980, 1, 1), date(1000, 1, 1), None]),
        ("datetime(6)", "month", [datetime(9999, 12, 31, 23, 59, 59, 999999), None], [datetime(9999, 12, 1), None]),  # noqa: DTZ001
        ("timestamp", "year", [datetime(1980, 12, 31, 23, 59, tzinfo=UTC)], [datetime(1980, 1, 1, tzinfo=UTC)]),
    ],
)
def test_truncating_keeps_the_start_and_the_type(kind: str, keep: int | str, values: list[object], stored: list[object]) -> None:
    column = SourceColumn(name="c", type=kind, nullable=True)
    chosen = {"c": ColumnPolicy.model_validate({"mask": "truncate", "keep": keep})}
    whole = pa.RecordBatch.from_arrays([pa.array(values, lake_schema([column], {}).field(0).type)], schema=source_schema([column]))
    masked = Masking(chosen).apply(whole)
    assert masked.schema == lake_schema([column], chosen)
    assert masked.column(0).to_pylist() == stored


@pytest.mark.parametrize(
    ("kind", "keep"), [("int", 2), ("varchar(9)", "year"), ("blob", 4), ("time", "year"), ("date", 4), ("json", "month")]
)
def test_what_cannot_be_truncated_so_is_refused(kind: str, keep: int | str) -> None:
    chosen = {"c": ColumnPolicy.model_validate({"mask": "truncate", "keep": keep})}
    with pytest.raises(ContractError, match=f"`keep: {keep}` keeps nothing: a number of characters is for text"):
        lake_schema([SourceColumn(name="c", type=kind, nullable=True)], chosen)


@pytest.mark.parametrize(
    ("policy", "match"),
    [
        ({"mask": "truncate"}, "needs `keep`"),
        ({"keep": 3}, "is for mask truncate"),
        ({"mask": "truncate", "keep": 0}, "greater than"),
        ({"mask": "truncate", "keep": "day"}, "year"),
    ],
)
def test_a_truncation_says_what_to_keep(policy: dict[str, object], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        ColumnPolicy.model_validate(policy)
