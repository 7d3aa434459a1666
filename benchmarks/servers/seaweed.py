"""A SeaweedFS of our own: the S3 server of the comparison, in one process that can be measured."""

from __future__ import annotations

import json
import subprocess
import sysconfig
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.servers.database import START_SECONDS, ServerError, free_port, new_password

BUCKET = "lake"
# It takes eight well-known ports where it is not given others.
PORTS = (
    "-s3.port", "-s3.port.grpc", "-master.port", "-master.port.grpc", "-volume.port", "-volume.port.grpc", "-filer.port",
    "-filer.port.grpc", "-admin.port", "-admin.port.grpc",
)  # fmt: skip
FIXED = (
    "-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-bucket={BUCKET}", "-s3.port.iceberg=0", "-s3.port.lance=0", "-webdav=false",
    "-admin.ui=false", "-master.telemetry=false", "-filer.localSocket=filer.sock", "-s3.localSocket=s3.sock",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Store:
    """A running S3 server with the bucket `lake`."""

    port: int
    access_key: str
    secret_key: str
    pid: int

    @property
    def endpoint(self) -> str:
        """Its URL."""
        return f"http://127.0.0.1:{self.port}"

    def airflow_connection(self) -> str:
        """The value of an `AIRFLOW_CONN_…` variable."""
        extra: dict[str, Any] = {
            "endpoint_url": self.endpoint,
            "region_name": "us-east-1",
            "service_config": {"s3": {"bucket_name": BUCKET}},
            "config_kwargs": {"s3": {"addressing_style": "path"}},
        }
        return json.dumps({"conn_type": "aws", "login": self.access_key, "password": self.secret_key, "extra": extra})


@contextmanager
def seaweed(folder: Path) -> Iterator[Store]:
    """Start one with its data in `folder`; it ends with the block.

    :raises ServerError: where it is not installed or does not start.
    """
    binary = Path(sysconfig.get_path("scripts")) / "weed"
    if not binary.exists():
        raise ServerError(f"{binary} is missing: run ./lake again, which installs it.")
    data = folder / "data"
    data.mkdir(parents=True, exist_ok=True)
    ports = dict(zip(PORTS, _ports(len(PORTS)), strict=True))
    store = Store(ports["-s3.port"], new_password(), new_password(), 0)
    environment = {
        "AWS_ACCESS_KEY_ID": store.access_key,
        "AWS_SECRET_ACCESS_KEY": store.secret_key,
        "HOME": str(folder),
        "PATH": "/usr/bin",
    }
    flags = [f"{flag}={port}" for flag, port in ports.items()]
    log = folder / "server.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            [str(binary), "-logtostderr=true", "mini", f"-dir={data}", *FIXED, *flags],
            stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=folder, env=environment,
        )  # fmt: skip
    try:
        _wait(ports, process, log)
        yield Store(store.port, store.access_key, store.secret_key, process.pid)
    finally:
        process.kill()  # asked politely it takes half a minute
        process.wait()
        for port in ports.values():  # it makes these whatever TMPDIR says
            for socket in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):  # noqa: S108
                socket.unlink(missing_ok=True)


def _ports(count: int) -> list[int]:
    found: set[int] = set()
    while len(found) < count:
        found.add(free_port())
    return sorted(found)


def _wait(ports: dict[str, int], process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    bucket = f"http://127.0.0.1:{ports['-filer.port']}/buckets/{BUCKET}/?limit=1"
    while _status(f"http://127.0.0.1:{ports['-s3.port']}") != 403 or _status(bucket) != 200:
        if process.poll() is not None or time.monotonic() > deadline:
            tail = "\n".join(log.read_text(errors="replace").splitlines()[-10:])
            raise ServerError(f"SeaweedFS did not start; the end of {log}:\n{tail}")
        time.sleep(0.1)


def _status(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=1) as answer:  # noqa: S310
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0
