"""What a build needs of this machine's network: its certificates, package index and proxies. Made at run time, kept nowhere else."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

PROXIES = ("http_proxy", "https_proxy", "no_proxy")
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
UV_FILES = (Path.home() / ".config/uv/uv.toml", Path("/etc/uv/uv.toml"))


def secrets(folder: Path) -> dict[str, Path]:
    """Secret of the Dockerfile -> file, written to `folder` where this machine has no such file."""
    found = {"pip.conf": _pip_conf(folder / "pip.conf")}
    certificates = Path(os.environ.get("SSL_CERT_FILE") or CERTIFICATES)
    if certificates.exists():
        found["ca-certificates.crt"] = certificates
    for file in UV_FILES:
        if file.exists():
            found["uv.toml"] = file
    return found


def proxies() -> dict[str, str]:
    """Build arguments that every Dockerfile has."""
    return {name: os.environ[name] for variable in PROXIES for name in (variable, variable.upper()) if os.environ.get(name)}


def _pip_conf(file: Path) -> Path:
    """pip's index of this machine, wherever it is configured; folders of this machine are not there in a build."""
    listed = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True).stdout
    lines = ["[global]"]
    for name, value in re.findall(r"^\S*?\.(index-url|extra-index-url|trusted-host)='(.*)'$", listed, re.MULTILINE):
        words = [word for word in value.replace("\\n", " ").split() if not word.startswith(("file:", "/"))]
        if words:
            lines.append(f"{name} = {' '.join(words)}")
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file
