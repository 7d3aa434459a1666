"""What the source said, as one of our errors: `SourceError` where a retry would hear the same, `SourceUnavailable` where it may not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tributary_native import Error

from tributary.core.errors import SourceError, SourceUnavailable, TributaryError

_LOGIN = "check login and password of the Airflow connection, and from which hosts the server lets this user in"
_GRANT = "grant the user what the message names; SELECT on the table is all that extraction needs"
_SLOW = "raise extract.statement_timeout_s in dataset.yaml, or read less at once with a smaller extract.rows_per_chunk or mb_per_chunk"
_TLS = "check `ssl` and `ssl_mode` in the Airflow connection's extra, and the certificates"

# Words of libmariadb's TLS errors that the next try would hear again.
_TLS_FOR_GOOD = ("certificate", "hostname", "ssl is required", "no such file")

# What a snapshot says whose table was altered before it was read.
TABLE_ALTERED = frozenset({1054, 1412})
# https://dev.mysql.com/doc/mysql-errors/en/ and https://mariadb.com/kb/en/mariadb-error-codes/
REFUSED: dict[int, str] = {
    1044: _GRANT,  # no privilege on the schema
    1045: _LOGIN,  # wrong password, or no such user for this host
    1049: "check the schema in the Airflow connection and in source.table",
    1054: "the table was altered after the plan was made: clear the run's first task",
    1064: "this is a defect of the project: please report it with the server's version",
    1094: "the connection to be ended was gone already",
    1129: "the server blocks this host after many broken connections: run FLUSH HOSTS there",
    1130: _LOGIN,  # this host is not allowed to connect
    1142: _GRANT,
    1143: _GRANT,
    1146: "check source.table in dataset.yaml",
    1227: _GRANT,
    1251: "the server wants an authentication method that the client library does not know: choose another for this user",
    1356: "the view, or its definer, lacks a privilege: repair the view",
    1698: _LOGIN,
    1820: "the password has expired: set a new one",
    1862: "the password has expired: set a new one",
    2054: "the server wants an authentication method that the client library does not know: choose another for this user",
    2059: "the server wants an authentication plugin that the client library does not have: choose another for this user",
    3118: "the account is locked: unlock it",
    4151: "the account is locked: unlock it",
}
UNAVAILABLE: dict[int, str] = {
    1040: "the server has no connection left: raise max_connections, or lower the number of concurrent tasks",
    1203: "the user has no connection left: raise max_user_connections, or lower the number of concurrent tasks",
    1205: "another session holds a lock on the table, such as an ALTER TABLE: wait for it to end",
    1226: "the user's quota is used up: raise it",
    1317: "somebody ended the query",
    1412: "the table was altered while it was read",
    1969: _SLOW,
    2002: "check that the server runs and that host and port of the Airflow connection are right",
    2003: "check that the server runs and that host and port of the Airflow connection are right",
    2005: "check the host in the Airflow connection",
    3024: _SLOW,
}

# SQLSTATE classes: syntax error or access rule violation, feature not supported.
_STATEMENT_REFUSED = {"42", "0A"}


@contextmanager
def source_errors(doing: str) -> Iterator[None]:
    """Translate what the driver raises inside the block.

    :param doing: what was being done, as in "read shop.orders".
    :raises SourceError: wrong password, missing privilege, schema or table: a retry would hear the same.
    :raises SourceUnavailable: no connection, too many of them, a lock, a timeout, a killed query; and every answer that is not known
        here: a needless retry costs minutes, a needless stop costs the run.
    """
    try:
        yield
    except Error as error:
        raise _translated(error, doing) from error


def code_of(error: TributaryError) -> int | None:
    """The server's error number behind one of our errors."""
    return error.__cause__.errno if isinstance(error.__cause__, Error) else None


def _translated(error: Error, doing: str) -> TributaryError:
    code = error.errno
    said = f"cannot {doing}: {error.message} (MySQL error {code})"
    if code in REFUSED:
        return SourceError(f"{said}; {REFUSED[code]}")
    if error.sqlstate[:2] in _STATEMENT_REFUSED and code not in UNAVAILABLE:
        return SourceError(f"{said}; the statement itself is refused, which is a defect of the project: please report it")
    if code == 2026:  # TLS: a wrong certificate stays wrong, a handshake that broke off may not
        kind = SourceError if any(word in said.lower() for word in _TLS_FOR_GOOD) else SourceUnavailable
        return kind(f"{said}; {_TLS}")
    return SourceUnavailable(f"{said}; {UNAVAILABLE.get(code, 'the server or the network failed, and the task will try again')}")
