"""An S3 stand-in that lacks what a lake needs: it answers 200 to every condition, or has another clock. For negative controls."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import time
from typing import ClassVar
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    skew_s: ClassVar[float] = 0
    answer: ClassVar[int] = 200
    etags: ClassVar[dict[str, str]] = {}  # of the object at a path

    def handle_any(self) -> None:
        url = urlsplit(self.path)
        query = parse_qs(url.query, keep_blank_values=True)
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body, status = "", 200
        if self.command == "DELETE":
            status = 204
        elif "list-type" in query:
            body = f"<ListBucketResult><KeyCount>{len(self.etags)}</KeyCount></ListBucketResult>"
        elif "uploads" in query:
            body = "<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>"
        elif "x-amz-copy-source" in self.headers:
            body = '<CopyPartResult><ETag>"1"</ETag></CopyPartResult>'
        elif "partNumber" not in query and self.command in ("PUT", "POST"):
            status = 200 if self._holds(url.path) else self.answer
            self.etags[url.path] = f'"{uuid4().hex}"'
            body = "<CompleteMultipartUploadResult/>" if self.command == "POST" else ""
        elif self.command == "GET":
            body = "probe"
        self.send_response_only(status)
        self.send_header("Date", formatdate(time() + self.skew_s, usegmt=True))
        self.send_header("ETag", self.etags.get(url.path, '"1"'))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body.encode())

    def _holds(self, path: str) -> bool:
        there = self.etags.get(path)
        return not (there and self.headers.get("If-None-Match")) and self.headers.get("If-Match") in (None, there)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = handle_any  # noqa: N815

    def log_message(self, *_: object) -> None:  # type: ignore[override]
        """Nothing: the test tells what went wrong."""


@contextmanager
def lax_store(skew_s: float = 0, answer: int = 200) -> Iterator[str]:
    """Endpoint URL of a store that takes every request.

    :param skew_s: its clock minus ours.
    :param answer: to a write whose condition does not hold, and which it makes all the same.
    """
    handler = type("Handler", (_Handler,), {"skew_s": skew_s, "answer": answer, "etags": {}})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
