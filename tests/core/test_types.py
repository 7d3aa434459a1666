"""Lake types, one by one."""

import pyarrow as pa
import pytest

from tributary.core.contract_fields import ColumnPolicy
from tributary.core.errors import ContractError
from tributary.core.source_table import SourceColumn
from tributary.core.types import lake_schema, lake_type, source_schema

DECIMAL20 = pa.decimal128(20, 0)
UTC = pa.timestamp("us", "UTC")


def column(kind: str, name: str = "c") -> SourceColumn:
    return SourceColumn(name=name, type=kind, nullable=True)


@pytest.mark.parametrize(
    ("kind", "arrow"),
    [
        ("tinyint(4)", pa.int8()),
        ("tinyint(1)", pa.int8()),
        ("tinyint(3) unsigned", pa.int16()),
        ("tinyint(1) unsigned", pa.int16()),
        ("smallint", pa.int16()),
        ("smallint(5) unsigned zerofill", pa.int32()),
        ("mediumint(9)", pa.int32()),
        ("mediumint unsigned", pa.int32()),
        ("int(11)", pa.int32()),
        ("int unsigned", pa.int64()),
        ("bigint(20)", pa.int64()),
        ("bigint(20) unsigned", DECIMAL20),
        ("decimal(12,2)", pa.decimal128(12, 2)),
        ("decimal(10,0)", pa.decimal128(10, 0)),
        ("decimal(38,30) unsigned", pa.decimal128(38, 30)),
        ("decimal(39,2)", pa.string()),
        ("decimal(65,30)", pa.string()),
        ("float", pa.float32()),
        ("float(7,3) unsigned", pa.float32()),
        ("double", pa.float64()),
        ("double(20,10)", pa.float64()),
        ("bit(1)", pa.int64()),
        ("bit(63)", pa.int64()),
        ("bit(64)", DECIMAL20),
        ("date", pa.date32()),
        ("datetime", pa.timestamp("us")),
        ("datetime(6)", pa.timestamp("us")),
        ("datetime(6) /* mariadb-5.3 */", pa.timestamp("us")),
        ("timestamp", UTC),
        ("timestamp(3)", UTC),
        ("time(6)", pa.int64()),
        ("year(4)", pa.int16()),
        ("char(3)", pa.string()),
        ("varchar(255)", pa.string()),
        ("longtext", pa.string()),
        ("enum('a','b)','unsigned')", pa.string()),
        ("set('x','int(11)')", pa.string()),
        ("json", pa.string()),
        ("binary(16)", pa.binary()),
        ("varbinary(16)", pa.binary()),
        ("longblob", pa.binary()),
        ("point", pa.binary()),
        ("geomcollection", pa.binary()),
    ],
)
def test_each_type_has_one_lake_type(kind: str, arrow: pa.DataType) -> None:
    assert lake_type(column(kind)).arrow == arrow


@pytest.mark.parametrize(
    ("kind", "read"),
    [
        ("float", "CAST({} AS DOUBLE)"),
        ("double(20,10)", "CAST({} AS DOUBLE)"),
        ("double", "{}"),
        ("bit(5)", "CAST({} AS UNSIGNED)"),
        ("polygon", "{}"),
        ("decimal(65,30)", "{}"),
    ],
)
def test_what_text_would_round_is_read_through_an_expression(kind: str, read: str) -> None:
    assert lake_type(column(kind)).read == read


@pytest.mark.parametrize("kind", ["vector(3)", "uuid", "inet4", "inet6", "xmltype", "something new"])
def test_a_type_that_the_lake_has_not_is_refused_by_name(kind: str) -> None:
    with pytest.raises(ContractError) as refused:
        lake_type(column(kind, "embedding"))
    assert f"column 'embedding' is {kind}" in str(refused.value)
    assert "`columns: {embedding: {mask: drop}}`" in str(refused.value)


def test_time_says_its_unit() -> None:
    field = source_schema([column("time(3)")]).field("c")
    assert field.metadata == {b"mysql_type": b"time(3)", b"unit": b"microseconds"}
    assert source_schema([column("bigint")]).field("c").metadata is None


def test_masked_columns_are_strings_and_dropped_ones_missing() -> None:
    columns = [column("int", "id"), column("int", "pin"), column("date", "born"), column("vector(3)", "face")]
    policies = {name: ColumnPolicy(mask=mask) for name, mask in (("pin", "hash"), ("born", "redact"), ("face", "drop"))}
    assert lake_schema(columns, policies) == pa.schema({"id": pa.int32(), "pin": pa.string(), "born": pa.string()})


def test_an_undropped_unknown_type_is_refused_by_the_schema_too() -> None:
    with pytest.raises(ContractError, match="embedding"):
        lake_schema([column("vector(3)", "embedding")], {})
