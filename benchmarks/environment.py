"""The peers' Python environment: `.lake/bench/venv`, made from benchmarks/constraints.txt, never mixed with ours."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sysconfig
from pathlib import Path

from benchmarks.servers.database import ServerError

HERE = Path(__file__).resolve().parent
LOCK = HERE / "constraints.txt"


def python_of_peers(home: Path) -> Path:
    """The interpreter, after the environment has been made or brought to the lock: some seconds the first time, then nothing.

    :param home: `.lake/bench`.
    :raises ServerError: where a package cannot be installed; the last lines of the installer say which.
    """
    venv, stamp = home / "venv", home / "venv" / ".lock"
    wanted = hashlib.sha256(LOCK.read_bytes()).hexdigest()
    python = venv / "bin" / "python"
    if stamp.exists() and stamp.read_text() == wanted:
        return python
    uv = str(Path(sysconfig.get_path("scripts")) / "uv")
    home.mkdir(parents=True, exist_ok=True)
    for command in (
        [uv, "venv", "--quiet", "--clear", "--python", os.path.realpath(sysconfig.get_path("scripts") + "/python"), str(venv)],
        [uv, "pip", "install", "--quiet", "--python", str(python), "--require-hashes", "--compile-bytecode", "-r", str(LOCK)],
    ):
        done = subprocess.run(command, env=os.environ | {"UV_NATIVE_TLS": "1"}, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise ServerError(f"the peers' environment cannot be made: {done.stderr.strip()[-600:]}")
    stamp.write_text(wanted)
    return python


def peer_environment(home: Path) -> dict[str, str]:
    """The environment of a peer's process: nothing of ours but the path to this package, and no telemetry."""
    kept = {key: os.environ[key] for key in ("PATH", "LANG", "SSL_CERT_FILE", "LD_LIBRARY_PATH") if key in os.environ}
    return kept | {
        "HOME": str(home / "peers"),
        "PYTHONPATH": str(HERE.parent),
        "AIRFLOW_HOME": str(home / "peers" / "airflow"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
        "_AIRFLOW_PROCESS_CONTEXT": "server",  # connections come from the environment, and no task runner is asked
        "RUNTIME__DLTHUB_TELEMETRY": "false",
        "RUNTIME__LOG_LEVEL": "CRITICAL",
        "TZ": "UTC",
    }
