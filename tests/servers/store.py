"""A second S3 store of a test's own: SeaweedFS on loopback, with identities of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sysconfig
import time
from pathlib import Path
from typing import Any, Self

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from tests.servers.certificates import Pair
from tests.servers.database import free_port

START_SECONDS = 60
ADMIN = ("adminkey", "adminsecret")
# name -> (access key, secret key), what it may do in every bucket
KEYS: dict[str, tuple[tuple[str, str], list[str]]] = {
    "admin": (ADMIN, ["Admin", "Read", "Write", "List", "Tagging"]),
    "reader": (("readkey", "readsecret"), ["Read", "List"]),
    "writer": (("writekey", "writesecret"), ["Write"]),
}


class ObjectStore:
    """`with ObjectStore(folder, "warehouse") as store`: one bucket, three keys. Killed at the end: its data is thrown away.

    :param tls: its certificate; `ca` is then the file that `client` trusts.
    """

    def __init__(self, folder: Path, bucket: str = "warehouse", tls: Pair | None = None, ca: Path | None = None) -> None:
        self.folder = folder
        self.tls, self.ca = tls, ca
        self.bucket = bucket
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint(self) -> str:
        """URL of the S3 door."""
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        identities = [
            {"name": name, "credentials": [{"accessKey": key, "secretKey": secret}], "actions": actions}
            for name, ((key, secret), actions) in KEYS.items()
        ]
        (self.folder / "s3.json").write_text(json.dumps({"identities": identities}))
        (self.folder / "data").mkdir()
        flags = {
            "-dir": "data", "-ip": "127.0.0.1", "-ip.bind": "127.0.0.1", "-bucket": self.bucket, "-s3.config": "s3.json",
            "-s3.port": str(self.port), "-s3.autoCreateBucket": "false", "-s3.port.iceberg": "0", "-s3.port.lance": "0", "-webdav": "false",
            "-admin.ui": "false", "-master.telemetry": "false", "-filer.localSocket": "filer.sock", "-s3.localSocket": "s3.sock",
        }  # fmt: skip
        if self.tls:
            flags |= {"-s3.cert.file": str(self.tls.cert), "-s3.key.file": str(self.tls.key)}
        names = ("s3.port.grpc", "master.port", "master.port.grpc", "volume.port", "volume.port.grpc", "filer.port", "filer.port.grpc")
        self._ports = {f"-{name}": free_port() for name in names}
        admin = next(port for port in iter(free_port, 0) if port < 55000)
        # weed's own worker looks for the admin there, whatever the flag says
        self._ports |= {"-admin.port": admin, "-admin.port.grpc": admin + 10000}
        flags |= {name: str(port) for name, port in self._ports.items()}
        weed = Path(sysconfig.get_path("scripts")) / "weed"
        log = self.folder / "weed.log"
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [weed, "-logtostderr=true", "mini", *(f"{name}={value}" for name, value in flags.items())],
                cwd=self.folder, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                env={"PATH": os.environ["PATH"], "HOME": str(self.folder)},
            )  # fmt: skip
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.__exit__()
                raise AssertionError(f"weed did not start:\n{log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.2)
        return self

    def __exit__(self, *_: object) -> None:
        if self._process:
            self._process.kill()  # TERM takes it half a minute
            self._process.wait()
        for port in (*self._ports.values(), self.port):
            for socket in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):  # noqa: S108  where weed puts them
                socket.unlink(missing_ok=True)
        shutil.rmtree(self.folder / "data", ignore_errors=True)

    def client(self, name: str = "admin") -> Any:
        """boto3's client with one of KEYS."""
        key, secret = KEYS[name][0]
        login = {"aws_access_key_id": key, "aws_secret_access_key": secret, "verify": str(self.ca) if self.ca else None}
        return boto3.client("s3", endpoint_url=self.endpoint, region_name="us-east-1", **login)

    def connection(self, name: str | None = "admin", **extra: Any) -> dict[str, Any]:
        """An Airflow connection with one of KEYS, or with none."""
        login = dict(zip(("login", "password"), KEYS[name][0], strict=True)) if name else {}
        given = {"bucket_name": self.bucket, "endpoint_url": self.endpoint, "region_name": "us-east-1", "addressing_style": "path"}
        return {"conn_type": "aws", **login, "extra": given | extra}

    def _answers(self) -> bool:
        try:
            self.client().head_bucket(Bucket=self.bucket)
        except (BotoCoreError, ClientError):
            return False
        return True
