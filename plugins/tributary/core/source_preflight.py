"""Preflight of a source: what a server said about itself, judged for what it means to a run. Pure; `hooks.source_facts` asks the server."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from tributary.core.contract import Contract
from tributary.core.errors import TributaryError
from tributary.core.preflight import Finding
from tributary.core.shortfall import shortfalls
from tributary.core.source_table import SourceTable, fit

Flavour = Literal["MySQL", "MariaDB"]
# Older servers were never tried.
OLDEST: dict[Flavour, tuple[int, int]] = {"MySQL": (8, 0), "MariaDB": (10, 5)}
# Windows close by the source's clock and open by ours: more than this between them, and a run only waits.
CLOCK_SKEW_S = 60
_TLS = '"ssl": {"ca": "/path/to/ca.pem"}'


@dataclass(frozen=True, slots=True)
class SourceFacts:
    """What a server says about itself and about our login."""

    address: str
    version: str  # such as 9.7.4 or 10.11.14-MariaDB
    user: str  # as GRANT writes it: 'lake_reader'@'%'
    is_local: bool  # loopback or a unix socket: nobody is in between
    tls: str  # TLSv1.3; empty: none
    verified: Literal["identity", "chain", "nothing"]  # what the client checked of the server's certificate
    sees_writers: bool  # PROCESS
    sees_position: bool  # the binlog position can be read in a snapshot
    log_bin: bool
    gtid: str  # the set of executed transactions, or empty
    utc_offset_s: int  # of sessions that set no time zone
    time_zone: str
    skew_s: float  # the server's clock minus this machine's
    read_only: bool
    replica_of: str  # host, empty: none, as far as the user may know

    @property
    def flavour(self) -> Flavour:
        """Whose server it is."""
        return "MariaDB" if "mariadb" in self.version.lower() else "MySQL"


def judge_source(what: str, facts: SourceFacts, *, names_primary: bool = False) -> Iterator[Finding]:
    """Everything about the server that no single table decides.

    :param what: the source's name in the findings.
    :param names_primary: whether every contract that reads it names its primary.
    """
    yield _version(what, facts)
    yield _tls(what, facts)
    yield _privileges(what, facts)
    yield _binlog(what, facts)
    yield _role(what, facts, names_primary=names_primary)
    yield _clock(what, facts)


def grant_line(facts: SourceFacts) -> str:
    """The one statement that gives our login what it lacks server-wide; empty where it lacks nothing."""
    missing = []
    if not facts.sees_writers:
        missing.append("PROCESS")
    # MariaDB tells the position of a snapshot to everybody.
    if facts.log_bin and not facts.sees_position:
        missing.append("REPLICATION CLIENT")
    return f"GRANT {', '.join(missing)} ON *.* TO {facts.user};" if missing else ""


def judge_table(contract: Contract, table: SourceTable) -> Iterator[Finding]:
    """Whether a contract fits its live table, and what the table promises to it."""
    what = contract.dataset
    try:
        fit(contract, table)
    except TributaryError as error:
        for line in str(error).splitlines():
            yield Finding(what, "table", "refused", line, "correct what the message names")
        return
    yield Finding(what, "table", "fine", f"{table.name}: {len(table.columns)} columns, about {table.rows_estimate:,} rows")
    short = {
        each.looked_at: Finding(what, each.looked_at, "degraded", f"{each.found} (reduced guarantee)", each.todo)
        for each in shortfalls(contract, table)
    }
    yield short.get("engine") or _engine(what, table)
    cursor = contract.cursor
    if cursor is None:
        return
    if cursor.stamped_by == "server" and table.engine != "VIEW":
        yield short.get("cursor stamp") or Finding(what, "cursor stamp", "fine", f"the server stamps {cursor.column}")
    if cursor.column in table.indexed:
        yield Finding(what, "cursor index", "fine", cursor.column)
    else:
        create = f"CREATE INDEX {table.table_name}_{cursor.column} ON {table.name} ({cursor.column});"
        found = f"no index begins with {cursor.column}: every window reads the whole table"
        yield Finding(what, "cursor index", "degraded", found, f"run: {create}")


def _version(what: str, facts: SourceFacts) -> Finding:
    found = f"{facts.flavour} {facts.version} at {facts.address}"
    numbers = re.match(r"(\d+)\.(\d+)", facts.version)
    oldest = OLDEST[facts.flavour]
    if numbers and (int(numbers[1]), int(numbers[2])) < oldest:
        oldest_text = ".".join(map(str, oldest))
        return Finding(what, "version", "degraded", f"{found}: never tried", f"use {facts.flavour} {oldest_text} or newer")
    return Finding(what, "version", "fine", found)


def _tls(what: str, facts: SourceFacts) -> Finding:
    if facts.tls and facts.verified == "identity":
        return Finding(what, "TLS", "fine", f"{facts.tls}; certificate and host name are verified")
    if facts.tls and facts.verified == "chain":
        found = (
            f"{facts.tls}; the certificate is verified, the host name is not: every server with a certificate of this CA would be believed"
        )
        return Finding(what, "TLS", "degraded", found, 'set "ssl_mode": "VERIFY_IDENTITY" in the connection\'s extra')
    if facts.is_local:
        return Finding(what, "TLS", "fine", f"{facts.tls or 'none'}; the server is on this machine")
    if facts.tls:
        return Finding(what, "TLS", "degraded", f"{facts.tls}; nothing of the certificate is verified", f"add {_TLS} to the extra")
    return Finding(what, "TLS", "degraded", "none: rows and login cross the network in clear text", f"add {_TLS} to the connection's extra")


def _privileges(what: str, facts: SourceFacts) -> Finding:
    if facts.sees_writers:
        writers = "PROCESS: windows close only when no older writer is open"
    else:
        writers = "reduced guarantee without PROCESS: late commits are only waited for (wait.lag_s)"
    if not facts.log_bin:
        order = "without a binlog the server's clock orders two reads of one window"
    elif facts.sees_position:
        order = "the binlog position orders two reads of one window"
    else:
        order = "without REPLICATION CLIENT the server's clock orders two reads of one window"
    missing = grant_line(facts)
    found = f"{writers}; {order}"
    if missing:
        return Finding(what, "privileges", "degraded", found, f"run as an administrator: {missing}")
    return Finding(what, "privileges", "fine", found)


def _binlog(what: str, facts: SourceFacts) -> Finding:
    if not facts.log_bin:
        found = "off: the server's clock orders two reads of one window, and a clock that is set back can order them wrongly"
        return Finding(what, "binlog", "degraded", found, "set log_bin on the server and restart it")
    return Finding(what, "binlog", "fine", f"on, GTID {'on' if facts.gtid else 'off or empty'}")


def _role(what: str, facts: SourceFacts, *, names_primary: bool) -> Finding:
    if facts.replica_of and names_primary:
        return Finding(what, "role", "fine", f"a replica of {facts.replica_of}; contracts name the primary that is asked for open writers")
    if facts.replica_of:
        found = f"a replica of {facts.replica_of}: the primary's open writers are not seen here (reduced guarantee)"
        return Finding(what, "role", "degraded", found, "name the connection of its primary as source.primary in dataset.yaml")
    if facts.read_only and not names_primary:
        found = "read_only is on, so probably a replica, where the primary's open writers are not seen (reduced guarantee)"
        todo = "name the connection of its primary as source.primary in dataset.yaml; its own, if this is the primary"
        return Finding(what, "role", "degraded", found, todo)
    return Finding(what, "role", "fine", "a primary: it takes writes and follows nobody")


def _clock(what: str, facts: SourceFacts) -> Finding:
    found = f"{facts.skew_s:+.1f} s from this machine's; its time zone is {facts.time_zone} ({_offset(facts.utc_offset_s)})"
    if abs(facts.skew_s) > CLOCK_SKEW_S:
        return Finding(what, "clock", "degraded", f"{found}: runs wait for it, or start late", "let both follow NTP")
    return Finding(what, "clock", "fine", found)


def _engine(what: str, table: SourceTable) -> Finding:
    if table.engine == "InnoDB":
        return Finding(what, "engine", "fine", "InnoDB: a snapshot holds still while it is read")
    if table.engine == "VIEW":
        return Finding(what, "engine", "degraded", "a view: it holds still only if all its tables are InnoDB", "look at its tables")
    found = f"{table.engine} does not hold still while it is read: a run fails where somebody writes meanwhile"
    return Finding(what, "engine", "degraded", found, f"run: ALTER TABLE {table.name} ENGINE = InnoDB;")


def _offset(seconds: int) -> str:
    sign = "-" if seconds < 0 else "+"
    hours, rest = divmod(abs(seconds), 3600)
    return f"UTC{sign}{hours:02d}:{rest // 60:02d}"
