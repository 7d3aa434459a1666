"""A proxy before the store that answers some requests wrongly. Host and signature pass as the client made them.

A process of its own: delta-rs holds Python's lock during some requests, and a proxy in the same process could not answer them.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from http.client import HTTPConnection, HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, Literal
from urllib.parse import urlsplit

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

FOREVER = 10**6
_CODES = {200: "InternalError", 409: "ConditionalRequestConflict", 412: "PreconditionFailed", 503: "SlowDown"}
_CONDITIONS = ("if-none-match", "if-match")
_CONTROL = "/_control"


@dataclass
class Rule:
    """What happens to the next `times` requests whose line, such as `PUT /lake/key?query`, matches."""

    line: str
    act: Literal["answer", "cut", "kill", "pass", "unconditional"]
    times: int = FOREVER
    done: bool = False  # whether the store does what is asked all the same
    status: int = 200  # of an error that the proxy answers; 200: S3 may find the error after it has begun to answer
    pid: int = 0  # who is killed when the request has come
    hold_s: float = 0  # how long it lies before the store gets it


class Faults:
    """The store behind the proxy: how clients reach it, and what goes wrong."""

    def __init__(self, store: dict[str, Any], port: int) -> None:
        self.port = port
        extra = {**store["extra"], "endpoint_url": self.endpoint}
        self.airflow_connection = json.dumps({**store, "extra": extra})

    @property
    def endpoint(self) -> str:
        """URL of the proxy."""
        return f"http://127.0.0.1:{self.port}"

    def refuse(self, line: str, status: int, times: int = FOREVER) -> None:
        """Answer with an error; nothing reaches the store."""
        self._add(Rule(line, "answer", times, status=status))

    def lose(self, line: str, times: int = 1) -> None:
        """Let the store do it, and cut the connection before the answer."""
        self._add(Rule(line, "cut", times, done=True))

    def error_in_200(self, line: str, times: int = FOREVER, *, done: bool = False) -> None:
        """Answer 200 with an error in the body."""
        self._add(Rule(line, "answer", times, done=done))

    def kill(self, line: str, pid: int, *, done: bool) -> None:
        """Kill the client when the request is there, before the store does it or after."""
        self._add(Rule(line, "kill", 1, done=done, pid=pid))

    def hold(self, line: str, seconds: float, *, conditions: bool) -> None:
        """Let a request lie for a while.

        :param conditions: False: and then forget its If-None-Match or If-Match.
        """
        self._add(Rule(line, "pass" if conditions else "unconditional", 1, hold_s=seconds))

    def ignore_conditions(self) -> None:
        """Be a store that knows neither If-None-Match nor If-Match."""
        self._add(Rule(".", "unconditional"))

    def clear(self) -> None:
        """From now on everything passes."""
        self._control("DELETE")

    @property
    def met(self) -> list[str]:
        """Lines that a rule was applied to."""
        return list(json.loads(self._control("GET")))

    def _add(self, rule: Rule) -> None:
        self._control("PUT", json.dumps(asdict(rule)))

    def _control(self, method: str, body: str = "") -> bytes:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request(method, _CONTROL, body)
        return connection.getresponse().read()


@contextmanager
def faults(airflow_connection: str) -> Iterator[Faults]:
    """A proxy before the store of an Airflow connection."""
    command = [sys.executable, __file__]
    proxy = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        if proxy.stdin is None or proxy.stdout is None:
            raise AssertionError("no pipes")
        proxy.stdin.write(airflow_connection + "\n")  # not an argument: it holds the key
        proxy.stdin.flush()
        yield Faults(json.loads(airflow_connection), int(proxy.stdout.readline()))
    finally:
        proxy.kill()
        proxy.wait()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    store: ClassVar[dict[str, Any]]
    rules: ClassVar[list[Rule]] = []
    met: ClassVar[list[str]] = []
    lock = threading.Lock()

    def handle_any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path == _CONTROL:
            self._control(body)
            return
        line = f"{self.command} {self.path}"
        with self.lock:
            rule = next((rule for rule in self.rules if rule.times and re.search(rule.line, line)), None)
            if rule:
                rule.times -= 1
                self.met.append(line)
        if rule is None or rule.act in ("pass", "unconditional"):
            time.sleep(rule.hold_s if rule else 0)
            self._relay(*self._forward(body, unconditional=rule is not None and rule.act == "unconditional"))
            return
        if rule.done:
            self._forward(body)
        if rule.pid:
            os.kill(rule.pid, signal.SIGKILL)
        if rule.act == "answer":
            self._answer(rule.status, f"<Error><Code>{_CODES[rule.status]}</Code><Message>as told</Message></Error>".encode())
        else:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = handle_any  # noqa: N815

    def _control(self, body: bytes) -> None:
        with self.lock:
            if self.command == "PUT":
                self.rules.append(Rule(**json.loads(body)))
            elif self.command == "DELETE":
                self.rules.clear()
                self.met.clear()
            self._answer(200, json.dumps(self.met).encode())

    def _forward(self, body: bytes, *, unconditional: bool = False) -> tuple[HTTPResponse, bytes]:
        headers = {name: value for name, value in self.headers.items() if name.lower() not in ("connection", "expect")}
        if unconditional and any(name.lower() in _CONDITIONS for name in headers):
            headers = self._signed_without_conditions(headers, body)
        upstream = HTTPConnection(urlsplit(self.store["extra"]["endpoint_url"]).netloc, timeout=60)
        upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in headers.items():
            upstream.putheader(name, value)
        upstream.endheaders(body)
        answer = upstream.getresponse()
        return answer, answer.read()

    def _relay(self, answer: HTTPResponse, body: bytes) -> None:
        self.send_response_only(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                self.send_header(name, value)
        if answer.status != 204:
            self.send_header("Content-Length", (answer.getheader("Content-Length") if self.command == "HEAD" else None) or str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response_only(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _signed_without_conditions(self, headers: dict[str, str], body: bytes) -> dict[str, str]:
        dropped = {*_CONDITIONS, "authorization", "x-amz-date", "x-amz-content-sha256", "content-length", "amz-sdk-request"}
        kept = {name: value for name, value in headers.items() if name.lower() not in dropped}
        request = AWSRequest(self.command, f"http://{self.headers['Host']}{self.path}", headers=kept, data=body)
        S3SigV4Auth(Credentials(self.store["login"], self.store["password"]), "s3", self.store["extra"]["region_name"]).add_auth(request)
        return {**dict(request.headers.items()), "Content-Length": str(len(body))}

    def log_message(self, *_: object) -> None:
        """Nothing: the test tells what went wrong."""


def main() -> None:
    """Serve the store whose Airflow connection comes in on stdin, and print the port."""
    _Handler.store = json.loads(sys.stdin.readline())
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    print(server.server_port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
