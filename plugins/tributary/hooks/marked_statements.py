"""Statements that carry a marker in a comment: found in the server's process list, and ended."""

from __future__ import annotations

from tributary.core.errors import SourceError
from tributary.hooks.mysql_errors import code_of
from tributary.hooks.mysql_session import Session

# Users without PROCESS see their own connections here, which is all that is wanted.
_MARKED = "SELECT ID FROM information_schema.PROCESSLIST WHERE LOCATE(%s, INFO) > 0 AND ID <> CONNECTION_ID()"
_NO_SUCH_THREAD = 1094


def end_marked(session: Session, marker: str) -> int:
    """End every connection whose statement carries the marker; their number."""
    found = session.rows(_MARKED, (marker,), doing="find marked statements")
    for row in found:
        kill(session, f"KILL {int(row['ID'] or 0):d}")
    return len(found)


def kill(session: Session, statement: str) -> None:
    """Run a KILL; one that was over already is ended."""
    try:
        session.execute(statement, doing="end the query")
    except SourceError as error:
        if code_of(error) != _NO_SUCH_THREAD:
            raise
