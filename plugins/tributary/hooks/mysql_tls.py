"""TLS to the source: what the Airflow connection demands, and that nothing of the login is sent before it is granted.

libmariadb sends the password in clear text where TLS is REQUIRED, the server offers none and the account uses caching_sha2_password (seen
with libmariadb 3.3 and MySQL 9.7). Only its VERIFY modes refuse such a server before the login. So a CA means VERIFY_IDENTITY unless the
connection says otherwise, and for the weaker modes the server's greeting is read first.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import Any, Literal

from tributary.core.errors import SourceError

Verified = Literal["identity", "chain", "nothing"]
_VERIFYING = frozenset({"VERIFY_CA", "VERIFY_IDENTITY"})
_CLIENT_SSL = 0x0800
# Protocol 10, version, zero, thread id, eight bytes of salt, a zero, then the lower half of the capabilities:
# https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase_packets_protocol_handshake_v10.html
_AFTER_VERSION = 4 + 8 + 1


def with_tls(config: Mapping[str, Any]) -> dict[str, Any]:
    """The driver's keyword arguments, verifying what can be verified."""
    if _names_a_ca(config) and not config.get("ssl_mode"):
        return {**config, "ssl_mode": "VERIFY_IDENTITY"}
    return dict(config)


def is_demanded(config: Mapping[str, Any]) -> bool:
    """Whether a connection without TLS is to be refused."""
    return bool(config.get("ssl")) or config.get("ssl_mode") in {"REQUIRED", *_VERIFYING}


def verified(config: Mapping[str, Any]) -> Verified:
    """What the driver checks of the server's certificate: libmariadb compares the host name in both VERIFY modes."""
    if with_tls(config).get("ssl_mode") in _VERIFYING:
        return "identity"
    return "chain" if _names_a_ca(config) else "nothing"


def refuse_plaintext(config: Mapping[str, Any], address: str, timeout_s: float) -> None:
    """Read the server's greeting, where TLS is demanded and the driver would not refuse by itself; nothing is sent.

    :raises SourceError: where the server offers no TLS. What keeps the greeting from being read, the driver will say better.
    """
    if not is_demanded(config) or config.get("ssl_mode") in _VERIFYING or config.get("unix_socket") or config.get("host") == "localhost":
        return
    try:
        with socket.create_connection((config["host"], config["port"]), timeout_s) as connection, connection.makefile("rb") as answer:
            length = int.from_bytes(answer.read(4)[:3], "little")
            greeting = answer.read(length)
    except OSError:
        return
    if greeting[:1] == b"\x0a" and not _capabilities(greeting) & _CLIENT_SSL:
        raise SourceError(
            f"{address} offers no TLS, which the Airflow connection demands; nothing of the login was sent. Turn TLS on at the server"
        )


def _capabilities(greeting: bytes) -> int:
    at = greeting.index(b"\0") + 1 + _AFTER_VERSION
    return int.from_bytes(greeting[at : at + 2], "little")


def _names_a_ca(config: Mapping[str, Any]) -> bool:
    ssl = config.get("ssl")
    return isinstance(ssl, Mapping) and bool(ssl.get("ca") or ssl.get("capath"))
