"""Builds the one extension module against the client library that mysqlclient needs too."""

import shlex
import subprocess
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

SOURCES = "src/tributary_native"


def client_library() -> str:
    """Its pkg-config name."""
    for name in ("libmariadb", "mysqlclient"):
        if subprocess.run(["pkg-config", "--exists", name], check=False).returncode == 0:
            return name
    raise SystemExit("pkg-config finds neither libmariadb nor mysqlclient; install libmariadb-dev (or libmysqlclient-dev) and pkg-config")


def flags(what: str, library: str) -> list[str]:
    """What pkg-config says."""
    return shlex.split(subprocess.run(["pkg-config", what, library], check=True, capture_output=True, text=True).stdout)


LIBRARY = client_library()
# A value passes small functions of several files: as one unit they are compiled into one another (decision 0047).
OPTIMIZATION = ["-O3", "-flto=auto"]

setup(
    ext_modules=cythonize(
        [
            Extension(
                "tributary_native._native",
                [f"{SOURCES}/_native.pyx", *sorted(map(str, Path(SOURCES).glob("*.c")))],
                depends=sorted(map(str, Path(SOURCES).glob("*.h"))),
                include_dirs=[SOURCES],
                extra_compile_args=[*OPTIMIZATION, "-fvisibility=hidden", "-std=gnu11", "-Wall", "-Wextra", *flags("--cflags", LIBRARY)],
                extra_link_args=[*OPTIMIZATION, *flags("--libs", LIBRARY)],
            )
        ],
        build_dir="build",
        compiler_directives={"language_level": "3", "embedsignature": True},
    )
)
