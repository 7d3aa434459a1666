"""Stamps: on which events the server writes its clock into a column by itself, as the column's definition and BEFORE triggers say."""

from __future__ import annotations

import re

from tributary.core.record import Record

_CLOCK = r"(?:current_timestamp|now|localtime|localtimestamp|sysdate|utc_timestamp)\s*(?:\(\s*[0-6]?\s*\))?"
_DEFAULT = re.compile(rf"\(?{_CLOCK}\)?", re.IGNORECASE)


class Stamps(Record):
    """Of one column."""

    on_insert: bool = False
    on_update: bool = False


def column_stamps(default: str | None, extra: str | None, expression: str | None) -> Stamps:
    """What a column's definition says.

    :param default: COLUMN_DEFAULT of information_schema.COLUMNS.
    :param extra: its EXTRA.
    :param expression: its GENERATION_EXPRESSION; `ROW START` is the time that MariaDB gives each version of a row.
    """
    if (expression or "").upper() == "ROW START":
        return Stamps(on_insert=True, on_update=True)
    return Stamps(
        on_insert=_DEFAULT.fullmatch(default or "") is not None,
        on_update="on update current_timestamp" in (extra or "").lower(),
    )


def trigger_stamps(body: str, column: str) -> bool | None:
    """Whether a BEFORE trigger writes the clock into the column of every row; None: it does not touch the column.

    False for all but the plain `SET NEW.column = NOW(6)`: what stands behind an IF may leave rows out.
    """
    name = rf"new\s*\.\s*`?{re.escape(column)}`?(?!\w)"
    if not re.search(name, body, re.IGNORECASE):
        return None
    return re.fullmatch(rf"\s*(?:begin\s+)?set\s+{name}\s*:?=\s*{_CLOCK}\s*;?\s*(?:end)?\s*;?\s*", body, re.IGNORECASE) is not None
