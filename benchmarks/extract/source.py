"""The source of the measurement: a MariaDB that holds the shapes at one scale, made once and kept."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import duckdb

from benchmarks.extract.checksum import Checksum, checksum
from benchmarks.extract.shape import LINEITEM, SCHEMA, Shape
from benchmarks.servers.database import Database, ServerError
from benchmarks.servers.mariadb import mariadb

# The tables stay in memory, so that the disk is not what is measured.
OPTIONS = (
    "--innodb-buffer-pool-size=3G", "--innodb-log-file-size=1G", "--innodb-flush-log-at-trx-commit=2", "--max-allowed-packet=256M",
    "--skip-log-bin",
)  # fmt: skip
BLOB_MIB, BLOB_ROWS = 64, 8


@contextmanager
def source(folder: Path, site_packages: Path, scale: float, shapes: Sequence[Shape], report: Callable[[str], None]) -> Iterator[Database]:
    """The server, with the shapes in it.

    :param site_packages: where DuckDB's tpch extension is installed.
    """
    stamp = folder / "scale.json"
    if stamp.exists() and json.loads(stamp.read_text())["scale"] != scale:
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    stamp.write_text(json.dumps({"scale": scale}))
    with mariadb(folder / "mariadb", OPTIONS) as database:
        database.run(f"CREATE DATABASE IF NOT EXISTS {SCHEMA} CHARACTER SET utf8mb4")
        for shape in shapes:
            if not (folder / f"{shape.name}.json").exists():
                report(f"makes {shape.name} at scale {scale:g}")
                _make(database, folder, site_packages, scale, shape)
        yield database


def expected(folder: Path, shape: Shape) -> Checksum:
    """What every reader has to deliver: computed from the rows before MariaDB had them."""
    return Checksum(**json.loads((folder / f"{shape.name}.json").read_text()))


def _make(database: Database, folder: Path, site_packages: Path, scale: float, shape: Shape) -> None:
    file = folder / f"{shape.name}.csv"
    with duckdb.connect(config={"allow_unsigned_extensions": "true", "autoinstall_known_extensions": "false"}) as connection:
        if shape is LINEITEM:
            extension = site_packages / "duckdb_extension_tpch" / "extensions" / f"v{duckdb.__version__}" / "tpch.duckdb_extension"
            if not extension.exists():
                raise ServerError(f"{extension} is missing: delete the folder venv in {folder.parent.parent} and run again")
            connection.execute(f"LOAD '{extension}'")
            connection.execute(f"CALL dbgen(sf = {scale})")
        connection.execute(f"CREATE TABLE rows AS {shape.select.format(rows=round(shape.rows_at_one * scale))}")
        sums = checksum(connection, "rows", shape)
        connection.execute(f"COPY rows TO '{file}' (FORMAT csv, DELIMITER '|', HEADER false, NULLSTR '\\N')")
    names = ", ".join(f"`{name}`" for name in shape.columns)
    database.run(
        f"DROP TABLE IF EXISTS {SCHEMA}.`{shape.name}`",
        shape.create_sql,
        f"LOAD DATA INFILE '{file}' INTO TABLE {SCHEMA}.`{shape.name}` CHARACTER SET utf8mb4 "
        f"FIELDS TERMINATED BY '|' OPTIONALLY ENCLOSED BY '\"' ({names})",
        f"ANALYZE TABLE {SCHEMA}.`{shape.name}`",
    )
    file.unlink()
    (folder / f"{shape.name}.json").write_text(json.dumps(asdict(sums)))


def memory_tables(database: Database) -> dict[str, tuple[str, int, int]]:
    """Tables of growing size for the measurement of memory: what is said of each -> (name, bytes of its largest value, rows).

    A sixth of `lineitem`, the whole and four times the whole are views: the server joins them while it sends them.
    """
    database.run(
        f"CREATE OR REPLACE TABLE {SCHEMA}.four (n INT PRIMARY KEY)",
        f"INSERT INTO {SCHEMA}.four VALUES (1), (2), (3), (4)",
    )
    sixth = int(database.run(f"SELECT MAX(l_orderkey) DIV 6 FROM {SCHEMA}.lineitem")[0][0])
    database.run(
        f"CREATE OR REPLACE VIEW {SCHEMA}.lineitem_sixth AS SELECT * FROM {SCHEMA}.lineitem WHERE l_orderkey <= {sixth}",
        f"CREATE OR REPLACE VIEW {SCHEMA}.lineitem_four AS SELECT l.* FROM {SCHEMA}.four STRAIGHT_JOIN {SCHEMA}.lineitem l",
        f"CREATE OR REPLACE TABLE {SCHEMA}.blobs (id INT PRIMARY KEY, c LONGBLOB)",
        *(f"INSERT INTO {SCHEMA}.blobs VALUES ({n}, REPEAT(SHA2({n}, 256), {BLOB_MIB * 1024 * 1024 // 64}))" for n in range(BLOB_ROWS)),
    )
    rows = int(database.run(f"SELECT COUNT(*) FROM {SCHEMA}.lineitem")[0][0])
    sixth_rows = int(database.run(f"SELECT COUNT(*) FROM {SCHEMA}.lineitem_sixth")[0][0])
    return {
        f"{sixth_rows:,} rows of lineitem": ("lineitem_sixth", 44, sixth_rows),
        f"{rows:,} rows of lineitem": ("lineitem", 44, rows),
        f"{4 * rows:,} rows of lineitem": ("lineitem_four", 44, 4 * rows),
        f"{BLOB_ROWS} rows of {BLOB_MIB} MiB": ("blobs", BLOB_MIB * 1024 * 1024, BLOB_ROWS),
    }
