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

_ETAG = '"5d41402abc4b2a76b9719d911017c592"'


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    skew_s: ClassVar[float] = 0
    keys: ClassVar[set[str]] = set()

    def handle_any(self) -> None:
        url = urlsplit(self.path)
        query = parse_qs(url.query, keep_blank_values=True)
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = ""
        if self.command == "PUT":
            self.keys.add(url.path)
        if "list-type" in query:
            body = f"<ListBucketResult><KeyCount>{len(self.keys)}</KeyCount></ListBucketResult>"
        elif "uploads" in query:
            body = "<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>"
        elif "x-amz-copy-source" in self.headers:
            body = f"<CopyPartResult><ETag>{_ETAG}</ETag></CopyPartResult>"
        elif self.command == "POST":
            body = f"<CompleteMultipartUploadResult><ETag>{_ETAG}</ETag></CompleteMultipartUploadResult>"
        elif self.command == "GET":
            body = "probe"
        self.send_response_only(204 if self.command == "DELETE" else 200)
        self.send_header("Date", formatdate(time() + self.skew_s, usegmt=True))
        self.send_header("ETag", _ETAG)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body.encode())

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = handle_any  # noqa: N815

    def log_message(self, *_: object) -> None:  # type: ignore[override]
        """Nothing: the test tells what went wrong."""


@contextmanager
def lax_store(skew_s: float = 0) -> Iterator[str]:
    """Endpoint URL of a store that takes every request.

    :param skew_s: its clock minus ours.
    """
    handler = type("Handler", (_Handler,), {"skew_s": skew_s, "keys": set()})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
