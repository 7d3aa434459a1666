"""What can go wrong, and whether trying again can help.

TributaryError
 ├── TerminalError            a retry reads the same and fails the same: the run stops at once
 │    ├── ContractError       dataset.yaml is wrong, or does not fit the live table
 │    ├── WindowError         the asked window cannot be read: reversed, in the future, half a partition, gone
 │    ├── SchemaChanged       the source's columns are not those that the lake has, or that the run was planned with
 │    ├── SourceError         the source refuses for good: password, privilege, missing table, missing index
 │    ├── InexactValueError   a MySQL value cannot arrive as itself
 │    ├── LakeError           the store refuses for good: key, bucket, permission, no conditional writes
 │    └── CheckError          counts or contract checks failed: nothing was published
 └── TransientError           an outage, a conflict, a transaction that is still open: the task retries
      ├── SourceUnavailable   the source cannot be reached, or cut the connection
      ├── LakeUnavailable     the store cannot be reached, or answers 5xx
      └── PublishConflict     other publishers kept winning the commit

Operators turn a `TerminalError` into `AirflowFailException` (no retry) in one place, `operators/base.py`; everything else retries.
Every message says what happened, the value, where, and what to do next.
"""

from __future__ import annotations


class TributaryError(Exception):
    """Base of every error that this project raises on purpose."""


class TerminalError(TributaryError):
    """A retry would fail in the same way."""


class TransientError(TributaryError):
    """A retry may succeed; nothing was published."""


class ContractError(TerminalError):
    """`dataset.yaml` is invalid, or names something that the live table does not have."""


class WindowError(TerminalError):
    """The window cannot be read as asked."""


class SourceError(TerminalError):
    """The source database refuses: wrong password, no privilege, no such table, no index on the cursor."""


class SchemaChanged(TerminalError):
    """The source's columns differ from those that the lake has taken in, or from those of the run's plan; shows the difference."""


class InexactValueError(TerminalError):
    """A value cannot be stored exactly; names the column, the count and a sample key."""


class LakeError(TerminalError):
    """The object store refuses: wrong key, no such bucket, no permission, no conditional writes."""


class CheckError(TerminalError):
    """Counts do not agree, or a `#fail` check found rows; nothing was published."""


class SourceUnavailable(TransientError):
    """The source database cannot be reached or cut the connection."""


class LakeUnavailable(TransientError):
    """The object store cannot be reached or answers with a server error."""


class PublishConflict(TransientError):
    """Concurrent publishers kept winning the commit until our tries were used up."""
