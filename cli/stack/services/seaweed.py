"""SeaweedFS: the S3 server that holds the lake."""

from __future__ import annotations

import sysconfig
from collections.abc import Iterable
from pathlib import Path

from cli.stack.errors import Unhealthy
from cli.stack.service import Service, http_get
from cli.stack.settings import Settings


def service(settings: Settings) -> Service:
    """`weed mini`, the whole server in one process. Every port is given: it would take eight well-known ones otherwise."""
    data = settings.data / "seaweedfs"
    ports = {
        "-s3.port": "S3_PORT",
        "-s3.port.grpc": "S3_GRPC_PORT",
        "-master.port": "SEAWEEDFS_MASTER_PORT",
        "-master.port.grpc": "SEAWEEDFS_MASTER_GRPC_PORT",
        "-volume.port": "SEAWEEDFS_VOLUME_PORT",
        "-volume.port.grpc": "SEAWEEDFS_VOLUME_GRPC_PORT",
        "-filer.port": "SEAWEEDFS_FILER_PORT",
        "-filer.port.grpc": "SEAWEEDFS_FILER_GRPC_PORT",
        "-admin.port": "SEAWEEDFS_ADMIN_PORT",
        "-admin.port.grpc": "SEAWEEDFS_ADMIN_GRPC_PORT",
    }
    flags = {
        "-dir": str(data),
        "-ip": "127.0.0.1",
        "-ip.bind": "127.0.0.1",
        "-bucket": settings.bucket,
        # A wrong bucket name is an error, not a new bucket.
        "-s3.autoCreateBucket": "false",
        "-s3.port.iceberg": "0",
        "-s3.port.lance": "0",
        "-webdav": "false",
        "-admin.ui": "false",
        "-master.telemetry": "false",
        "-filer.localSocket": "filer.sock",  # relative to the working directory: never too long
        "-s3.localSocket": "s3.sock",
    } | {flag: str(settings.port(key)) for flag, key in ports.items()}
    return Service(
        name="seaweedfs",
        argv=[_binary(), "-logtostderr=true", "mini", *(f"{flag}={value}" for flag, value in flags.items())],
        env=settings.base_env() | {"AWS_ACCESS_KEY_ID": settings["S3_ACCESS_KEY"], "AWS_SECRET_ACCESS_KEY": settings["S3_SECRET_KEY"]},
        cwd=data,
        check=_check,
        ports=tuple(ports.values()),
        prepare=lambda settings: (settings.data / "seaweedfs").mkdir(mode=0o700, exist_ok=True),
        forget=lambda settings: _forget(settings, ports.values()),
        # It takes 27 s to end by itself. What it acknowledged is on disk: kill -9 lost nothing in any trial.
        grace_seconds=2,
        shows=settings.s3_endpoint,
    )


def _forget(settings: Settings, ports: Iterable[str]) -> None:
    """Remove the sockets it makes in /tmp, whatever TMPDIR says, and leaves there when it is killed."""
    for key in ports:
        for socket in Path("/tmp").glob(f"seaweedfs-*-{settings.port(key)}.sock"):  # noqa: S108
            socket.unlink(missing_ok=True)


def _binary() -> str:
    return str(Path(sysconfig.get_path("scripts")) / "weed")


def _check(settings: Settings) -> None:
    status, _ = http_get(settings.s3_endpoint, timeout_s=1)
    if status != 403:
        raise Unhealthy(f"{settings.s3_endpoint} answers {status} to an anonymous request, not 403")
    # Asked behind the S3 door, where no request needs to be signed.
    status, _ = http_get(f"http://127.0.0.1:{settings.port('SEAWEEDFS_FILER_PORT')}/buckets/{settings.bucket}/?limit=1", timeout_s=1)
    if status != 200:
        raise Unhealthy(f"the bucket {settings.bucket} is not there yet")
