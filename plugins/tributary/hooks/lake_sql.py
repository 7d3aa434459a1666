"""DuckDB over the lake: reads `s3://` Parquet and Delta in process; the SQL engine of transforms, checks and marts."""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from tributary.core.errors import CheckError, ContractError, LakeError
from tributary.core.select import UTC_ZONE, bound
from tributary.hooks.s3_access import S3Access

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection, DuckDBPyRelation

# A worker of 4 slots on a small machine: DuckDB spills to disk above this, it does not fail.
MEMORY_LIMIT = "1GB"
THREADS = 2


@contextmanager
def connect(access: S3Access, *, memory_limit: str = MEMORY_LIMIT, threads: int = THREADS) -> Iterator[DuckDBPyConnection]:
    """A DuckDB in memory that reads `s3://` with the lake's key; the session's zone is UTC; it spills to a folder that goes with it.

    :raises LakeError: where an extension's package is missing.
    """
    import duckdb

    with TemporaryDirectory(prefix="tributary-duckdb-") as spill:
        connection = duckdb.connect(
            ":memory:",
            config={
                "allow_unsigned_extensions": "true",  # the extensions come from PyPI, locked by hash, and nothing is downloaded
                "autoinstall_known_extensions": "false",
                "memory_limit": memory_limit,
                "temp_directory": spill,
                "threads": str(threads),
                "preserve_insertion_order": "false",  # keeps large results streaming
            },
        )
        try:
            for name in ("httpfs", "delta"):
                connection.execute(f"LOAD {quoted(str(_extension(name, duckdb.__version__)))}")
            connection.execute("SET TimeZone = 'UTC'")
            # The only one of the libraries that does not read a variable for it.
            if bundle := os.environ.get("AWS_CA_BUNDLE"):
                connection.execute(f"SET ca_cert_file = {quoted(bundle)}")
            connection.execute(_secret(access))
            yield connection
        finally:
            connection.close()


def quoted(text: str) -> str:
    """`text` as an SQL string; DuckDB takes no bound values in DDL, SET and LOAD."""
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """`name` as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


# Names the object that a row came from; no MySQL column of that name is likely, and one would be an error, not a mix-up.
OBJECT = "__object"


def parquet_scan(uris: Iterable[str], *, with_object: bool = False) -> str:
    """A table function over exactly these objects; no column is made up from folder names.

    :param with_object: adds the column `__object`, the URI that the row came from.
    """
    more = f", filename = {quoted(OBJECT)}" if with_object else ""
    return f"read_parquet([{', '.join(quoted(uri) for uri in uris)}], hive_partitioning = false{more})"


@contextmanager
def sql_errors(file: str) -> Iterator[None]:
    """What DuckDB says about somebody's query, as our error; also while its result is streamed.

    :raises ContractError: where the query is wrong or its values do not fit; outages of the store pass unchanged.
    """
    import duckdb

    try:
        yield
    except (duckdb.ProgrammingError, duckdb.DataError, duckdb.NotSupportedError) as error:
        raise _wrong(file, error) from error
    except OSError as error:  # an Arrow stream has no other word for an error of its producer
        if _VALUE_ERROR.match(str(error)):
            raise _wrong(file, error) from error
        raise


@contextmanager
def decode_errors(what: str) -> Iterator[None]:
    """What DuckDB says about a part that it cannot decode; outages of the store pass unchanged.

    :raises CheckError: where a part is no whole Parquet file.
    """
    import duckdb

    try:
        yield
    except (duckdb.ProgrammingError, duckdb.DataError, duckdb.NotSupportedError) as error:
        raise CheckError(f"{what}: {error}; nothing was published. Clear the task 'plan' to read anew") from error


_VALUE_ERROR = re.compile(r"(Conversion|Out of Range|Mismatch Type|Invalid Input|Invalid|Not implemented) Error", re.IGNORECASE)


def _wrong(file: str, error: Exception) -> ContractError:
    what, _, where = str(error).partition("\n")  # DuckDB shows the place in the lines below
    return ContractError(
        f"{file}: {what}; correct the query and start a new run (a run keeps the SQL it was planned with)\n{where}".rstrip()
    )


def query(connection: DuckDBPyConnection, file: str, sql: str, params: dict[str, object] | None = None) -> DuckDBPyRelation:
    """Somebody's query as a relation, bound and typed but not yet run.

    :param params: values of its `$name`s; it has to use them all.
    :raises ContractError: where it is wrong, or not exactly one SELECT.
    """
    with sql_errors(file):
        statements = connection.extract_statements(sql)
        if len(statements) != 1 or statements[0].type.name != "SELECT":
            raise ContractError(f"{file}: has {len(statements)} statements, or one that is no SELECT; write one SELECT")
        missing = set(params or ()) - statements[0].named_parameters
        if missing:
            raise ContractError(f"{file}: does not use ${sorted(missing)[0]}; say with it what the query is computed for")
        return connection.sql(sql, params=params) if params else connection.sql(sql)


# What Delta can store of DuckDB's types, and what to write instead of the others.
_STORABLE = frozenset(
    {
        "boolean", "tinyint", "smallint", "integer", "bigint", "float", "double", "decimal", "varchar", "blob", "date", "timestamp",
        "timestamp with time zone",
    }
)  # fmt: skip
_INSTEAD = {
    "hugeint": "DECIMAL(38, 0) or BIGINT (sum() of integers gives HUGEINT)",
    "uhugeint": "DECIMAL(38, 0)",
    "ubigint": "DECIMAL(20, 0)",
    "utinyint": "SMALLINT",
    "usmallint": "INTEGER",
    "uinteger": "BIGINT",
    "interval": "BIGINT, such as epoch_us(...)",
    "time": "BIGINT, such as epoch_us(...)",
}


def refuse_unstorable(file: str, columns: list[str], types: list[Any]) -> None:
    """Check a query's result types, before a row is computed.

    :raises ContractError: one line for each column that Delta has no type for, with the CAST that helps.
    """
    problems = [
        f"{file}: column {name} is {kind}, which Delta cannot store; CAST it to {_INSTEAD.get(leaf, 'VARCHAR')}"
        for name, kind in zip(columns, types, strict=True)
        for leaf in _leaves(kind)
        if leaf not in _STORABLE
    ]
    if problems:
        raise ContractError("\n".join(problems))


def _leaves(kind: Any) -> Iterator[str]:
    if kind.id in ("list", "struct", "map"):
        for _, child in kind.children:
            yield from _leaves(child)
    else:
        yield kind.id


def day_of(column: str, *, zone: str, aware: bool, naive: str = "UTC") -> str:
    """SQL of the day of a time in `zone`.

    :param aware: whether the lake column carries a zone (MySQL TIMESTAMP) or not (DATETIME).
    :param naive: zone in which a time without one was written. DuckDB takes an hour that comes twice for its second pass, as
        `core.local_time` does, so a row's day and its window agree.
    """
    utc = identifier(column) if aware else f"timezone({quoted(naive)}, {identifier(column)})"
    return f"CAST(timezone({quoted(zone)}, {utc}) AS DATE)"


def time_literal(at: datetime, *, aware: bool, naive: ZoneInfo = UTC_ZONE) -> str:
    """An instant as SQL, to compare with a lake column that carries a zone, or whose values were written in the zone `naive`."""
    return f"TIMESTAMPTZ '{bound(at)}+00'" if aware else f"TIMESTAMP '{bound(at, naive)}'"


def _extension(name: str, version: str) -> Path:
    spec = importlib.util.find_spec(f"duckdb_extension_{name}")
    file = Path(spec.origin or "").parent / "extensions" / f"v{version}" / f"{name}.duckdb_extension" if spec else None
    if file is None or not file.is_file():
        raise LakeError(f"DuckDB's extension {name} for version {version} is not installed; install duckdb-extension-{name}=={version}")
    return file


def _secret(access: S3Access) -> str:
    options = {"TYPE": "s3", "REGION": quoted(access.region), "URL_STYLE": quoted("path" if access.path_style else "vhost")}
    if access.access_key:
        options |= {"KEY_ID": quoted(access.access_key), "SECRET": quoted(access.secret_key or "")}
    if access.session_token:
        options["SESSION_TOKEN"] = quoted(access.session_token)
    if access.endpoint_url:
        url = urlsplit(access.endpoint_url)
        options |= {"ENDPOINT": quoted(url.netloc), "USE_SSL": "true" if url.scheme == "https" else "false"}
    return f"CREATE SECRET lake ({', '.join(f'{name} {value}' for name, value in options.items())})"
