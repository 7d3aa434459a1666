"""Servers of your own in place of the sample's: which connections `./lake up --external` wants, and what is wrong with them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from cli.stack.errors import StackError
from cli.stack.settings import Settings

PREFIX = "AIRFLOW_CONN_"
SOURCE_EXAMPLE = 'AIRFLOW_CONN_ERP=\'{"conn_type": "mysql", "host": "db.example", "login": "lake_reader", "password": "…"}\''
LAKE_EXAMPLE = 'AIRFLOW_CONN_LAKE=\'{"conn_type": "aws", "extra": {"bucket_name": "…", "region_name": "eu-central-1"}}\''


@dataclass(frozen=True, slots=True)
class Given:
    """A connection as a variable gives it; the secrets stay where they are."""

    variable: str
    kind: str  # mysql, aws, …
    host: str
    extra: Mapping[str, Any]


def check_connections(settings: Settings) -> None:
    """Look at the connections before anything is started. Whether their servers answer is `./lake check`'s question.

    :raises StackError: where one cannot be read, or where a source or a lake is missing.
    """
    given = list(connections(settings.airflow_env()))
    for connection in given:
        _refuse_incomplete(connection)
    # Once Airflow has run, connections may be in its database too.
    if any(settings.data.glob("airflow/set-up-*")):
        return
    where = f"write it into {settings.home / '.env'} and run this again"
    if not any(connection.kind == "mysql" for connection in given):
        raise StackError(f"No connection of type mysql is given, so there is no source: {where}, such as {SOURCE_EXAMPLE}")
    if not any(connection.kind == "aws" for connection in given):
        raise StackError(f"No connection of type aws is given, so there is no lake: {where}, such as {LAKE_EXAMPLE}")


def connections(environment: Mapping[str, str]) -> Iterator[Given]:
    """Every AIRFLOW_CONN_<ID> of the environment.

    :raises StackError: where one is neither JSON nor a URI.
    """
    for variable, value in sorted(environment.items()):
        if variable.startswith(PREFIX):
            yield _from_json(variable, value) if value.lstrip().startswith("{") else _from_uri(variable, value)


def _from_json(variable: str, value: str) -> Given:
    try:
        fields = json.loads(value)
        extra = fields.get("extra") or {}
        extra = json.loads(extra) if isinstance(extra, str) else extra
    except json.JSONDecodeError as error:
        # The error's own text would quote the value, and a password with it.
        raise StackError(f"{variable} is not JSON (line {error.lineno}, column {error.colno}): correct it, or write a URI.") from None
    return Given(variable, fields.get("conn_type") or "", fields.get("host") or "", extra)


def _from_uri(variable: str, value: str) -> Given:
    url = urlsplit(value)
    if not url.scheme or "://" not in value:
        raise StackError(f"{variable} is neither JSON nor a URI such as mysql://user:password@host:3306/schema: correct it.")
    query = dict(parse_qsl(url.query))
    extra = json.loads(query["__extra__"]) if "__extra__" in query else query
    return Given(variable, url.scheme, url.hostname or "", extra)


def _refuse_incomplete(connection: Given) -> None:
    if connection.kind == "mysql" and not (connection.host or connection.extra.get("unix_socket")):
        raise StackError(f"{connection.variable} names no host: add it.")
    service = (connection.extra.get("service_config") or {}).get("s3") or {} if isinstance(connection.extra, Mapping) else {}
    if connection.kind == "aws" and not (connection.extra.get("bucket_name") or service.get("bucket_name")):
        raise StackError(f'{connection.variable} names no bucket: add "bucket_name" to its extra.')
