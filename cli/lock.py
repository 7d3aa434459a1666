"""`./lake lock`."""

from __future__ import annotations

import os
import subprocess
import sysconfig
from pathlib import Path

from cli.env_file import REPOSITORY
from cli.stack.errors import StackError


def lock() -> None:
    """Write constraints.txt anew from requirements.txt: every package in one version, with hashes, for Python 3.11 to 3.13."""
    uv = Path(sysconfig.get_path("scripts")) / "uv"
    if not uv.exists():
        raise StackError(f"{uv} is missing: delete {uv.parent.parent} and run ./lake again, which installs it.")
    command = [
        str(uv), "pip", "compile", "requirements.txt", "--universal", "--python-version", "3.11", "--generate-hashes", "--no-header",
        "--quiet", "-o", "constraints.txt",
    ]  # fmt: skip
    done = subprocess.run(command, cwd=REPOSITORY, env=os.environ | {"UV_NATIVE_TLS": "1"}, check=False)
    if done.returncode != 0:
        raise StackError("uv found no set of versions for requirements.txt: see above. constraints.txt is unchanged.")
    print("constraints.txt written; the next ./lake installs it.")
