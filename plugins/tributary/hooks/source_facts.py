"""What a source says about itself, for `core.source_preflight`; needs no privilege, and says which ones are missing."""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from tributary.core.errors import SourceError
from tributary.core.source_preflight import SourceFacts
from tributary.hooks import mysql_safety, mysql_snapshot, mysql_tls
from tributary.hooks.mysql_errors import code_of
from tributary.hooks.mysql_session import Session

_REFUSED = {1227, 1064}  # no privilege; no such statement in this version
_VARIABLES = ("log_bin", "gtid_executed", "gtid_current_pos", "read_only", "time_zone", "system_time_zone")


def read_facts(session: Session, config: Mapping[str, Any]) -> SourceFacts:
    """Ask the server, on a connection of its own.

    :param config: the keyword arguments with which the session was opened; they say what the client verified.
    """
    wanted = ", ".join(f"'{name}'" for name in _VARIABLES)
    found = session.rows(f"SHOW GLOBAL VARIABLES WHERE Variable_name IN ({wanted})")  # (constants)
    variables = {row["Variable_name"]: row["Value"] or "" for row in found}
    before = time.time()
    clock = mysql_snapshot.clock(session)
    # The answer was made somewhere in between.
    skew_s = (clock - datetime.fromtimestamp((before + time.time()) / 2, UTC)).total_seconds()
    tls = session.rows("SHOW SESSION STATUS LIKE 'Ssl_version'")
    user, _, host = str(session.rows("SELECT CURRENT_USER() AS me")[0]["me"]).rpartition("@")
    return SourceFacts(
        address=session.address,
        version=session.version,
        user=f"'{user}'@'{host}'",
        is_local=_is_local(config),
        tls=(tls[0]["Value"] or "") if tls else "",
        verified=mysql_tls.verified(config),
        sees_writers=mysql_safety.read_safety(session).writers is not None,
        sees_position=_sees_position(session),
        log_bin=variables.get("log_bin") in {"ON", "1"},
        gtid=variables.get("gtid_executed") or variables.get("gtid_current_pos") or "",
        utc_offset_s=_utc_offset_s(session),
        time_zone=_zone(variables),
        skew_s=skew_s,
        read_only=variables.get("read_only") not in {"OFF", "0", None},
        replica_of=_replica_of(session),
    )


def _is_local(config: Mapping[str, Any]) -> bool:
    host = str(config.get("host") or "localhost")
    if config.get("unix_socket") or host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _zone(variables: Mapping[str | None, str]) -> str:
    zone = variables.get("time_zone", "SYSTEM")
    return variables.get("system_time_zone", zone) if zone == "SYSTEM" else zone


def _utc_offset_s(session: Session) -> int:
    """Of a session that sets no time zone, now."""
    session.execute("SET SESSION time_zone = @@global.time_zone")
    row = session.rows("SELECT TIMESTAMPDIFF(SECOND, UTC_TIMESTAMP(), NOW()) AS s")[0]
    session.execute("SET SESSION time_zone = '+00:00'")
    return int(row["s"] or 0)


def _sees_position(session: Session) -> bool:
    session.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
    position = mysql_snapshot.read_position(session)
    session.execute("ROLLBACK")
    return position.binlog_file is not None


def _replica_of(session: Session) -> str:
    """The primary's address; empty where there is none, and where the user may not know (REPLICATION CLIENT, REPLICA MONITOR)."""
    for statement in ("SHOW ALL REPLICAS STATUS" if session.is_mariadb else "SHOW REPLICA STATUS", "SHOW SLAVE STATUS"):
        try:
            rows = session.rows(statement)
        except SourceError as error:
            if code_of(error) not in _REFUSED:
                raise
            continue
        return next((f"{row.get('Source_Host') or row.get('Master_Host')}" for row in rows), "")
    return ""
