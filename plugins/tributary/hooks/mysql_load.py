"""How busy the source is; `core.source_load` decides what that means."""

from __future__ import annotations

from tributary.core.errors import SourceError
from tributary.core.source_load import Load
from tributary.hooks.mysql_errors import code_of
from tributary.hooks.mysql_session import Row, Session

_NO_PRIVILEGE, _NO_SUCH_STATEMENT = 1227, 1064


def read_load(session: Session, *, with_replica: bool) -> Load:
    """One look. Threads_running needs no privilege.

    :raises SourceError: where the replica's state is asked for and the user may not see it; names the GRANT.
    """
    running = session.rows("SHOW GLOBAL STATUS LIKE 'Threads_running'")[0]["Value"]
    replicas = _replicas(session) if with_replica else []
    lags = [row.get("Seconds_Behind_Source", row.get("Seconds_Behind_Master")) for row in replicas]
    known = [int(lag) for lag in lags if lag is not None]
    return Load(threads_running=int(running or 0), replica_lag_s=max(known, default=None), replica_broken=len(known) < len(lags))


def _replicas(session: Session) -> list[Row]:
    # MySQL 8.0.22 and MariaDB 10.5.1 know the first; one row for each channel.
    for statement in ("SHOW REPLICA STATUS", "SHOW SLAVE STATUS"):
        try:
            return session.rows(statement, doing="ask how far the replica is behind")
        except SourceError as error:
            if code_of(error) == _NO_PRIVILEGE:
                grant = "SLAVE MONITOR" if session.is_mariadb else "REPLICATION CLIENT"
                raise SourceError(f"{error}; source.limits.replica_lag_s needs: GRANT {grant} ON *.* TO the reading user") from error
            if code_of(error) != _NO_SUCH_STATEMENT:
                raise
    return []
