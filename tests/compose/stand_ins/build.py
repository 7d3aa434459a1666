"""Images for docker-compose.yaml where the official ones are neither here nor can be pulled: stand-ins of the same contract.

A stand-in is Debian's package of the same server (of PyPI for SeaweedFS, Python alone for Airflow) on a debootstrap root, with the
official image's users, folders, variables and tools. It is tagged `tributary-stand-in/…`, never with the official name.
What that does not prove is in docs/compose.md.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sysconfig
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.compose.engine import Engine, EngineError, search_path, which
from tests.compose.project import BINARY, ComposeError

HERE = Path(__file__).parent
PREFIX = "tributary-stand-in"
# folder here -> Debian release whose packages come nearest to the official image's versions
SUITES = {"postgres": "trixie", "rabbitmq": "trixie", "mysql": "trixie", "seaweedfs": "bookworm", "airflow": "bookworm"}
PULL_S = 900
DEFAULT_MIRROR = "http://deb.debian.org/debian"


def stand_in(image: str) -> str:
    """The stand-in's name: `apache/airflow:slim-3` -> `tributary-stand-in/airflow:slim-3`."""
    return f"{PREFIX}/{image.rpartition('/')[2]}"


def available(engine: Engine, images: Iterable[str], scratch: Path) -> dict[str, str]:
    """Image of docker-compose.yaml -> the one to run: itself where it is here or can be pulled, else a stand-in, built now.

    :param scratch: where Debian roots are made, some 300 MB for a moment.
    """
    wanted = list(images)
    with ThreadPoolExecutor(len(wanted)) as pool:
        official = dict(zip(wanted, pool.map(lambda image: _can_be_had(engine, image, stand_in(image)), wanted), strict=True))
    lacking = [image for image in wanted if not official[image]]
    if lacking:
        build(engine, lacking, scratch)
    return {image: image if official[image] else stand_in(image) for image in wanted}


def _can_be_had(engine: Engine, image: str, replacement: str) -> bool:
    if engine.has_image(image):
        return True
    if engine.has_image(replacement):  # it could not be pulled before
        return False
    try:
        engine.docker("pull", "--quiet", image, timeout=PULL_S)
    except (EngineError, subprocess.TimeoutExpired):
        return False
    return True


def build(engine: Engine, images: Iterable[str], scratch: Path) -> None:
    """Build the stand-ins of these images; quick where the engine has their layers already."""
    folders = {image: image.rpartition("/")[2].partition(":")[0] for image in images}
    for suite in sorted({SUITES[folder] for folder in folders.values()}):
        if not engine.has_image(debian(suite)):
            import_debian(engine, suite, scratch)
    with tempfile.TemporaryDirectory(dir=scratch) as contexts:
        services: dict[str, Any] = {}
        for image, folder in folders.items():
            context = Path(contexts) / folder
            shutil.copytree(HERE / folder, context)
            if folder == "seaweedfs":
                shutil.copy2(Path(sysconfig.get_path("scripts")) / "weed", context / "weed")
            arguments = {"DEBIAN": debian(SUITES[folder]), "MIRROR": mirror()}
            services[folder] = {"image": stand_in(image), "build": {"context": str(context), "args": arguments}}
        done = subprocess.run(
            [BINARY, "--project-name", PREFIX, "--file", "-", "build"],
            input=json.dumps({"services": services}), capture_output=True, text=True, check=False,
            env=engine.environment | {"COMPOSE_BAKE": "false", "BUILDKIT_PROGRESS": "plain"},
        )  # fmt: skip
    if done.returncode != 0:
        raise ComposeError(f"the stand-ins of {', '.join(folders)} were not built:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")


def debian(suite: str) -> str:
    """Our name of a bare Debian."""
    return f"{PREFIX}/debian:{suite}"


def obtained_debian(engine: Engine, suite: str, scratch: Path) -> str:
    """The name of a minimal Debian that is here: Docker's own where it can be had, else one that debootstrap makes."""
    official = f"debian:{suite}-slim"
    if _can_be_had(engine, official, debian(suite)):
        return official
    if not engine.has_image(debian(suite)):
        import_debian(engine, suite, scratch)
    return debian(suite)


def import_debian(engine: Engine, suite: str, scratch: Path) -> None:
    """Make a minimal Debian with debootstrap and give it to the engine; less than a minute."""
    if not which("debootstrap") or os.geteuid() != 0:
        raise EngineError(
            "The images cannot be pulled, and stand-ins need root and debootstrap: log in to a registry, or run this as root."
        )
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        root = Path(folder) / "root"
        command = ["debootstrap", "--variant=minbase", "--include=ca-certificates", suite, str(root), mirror()]
        environment = os.environ | {"PATH": search_path()}
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        if done.returncode != 0:
            raise EngineError(f"{' '.join(command)}: {done.stdout[-1000:]}{done.stderr[-1000:]}")
        proxies = subprocess.run(["apt-config", "dump", "Acquire::http"], capture_output=True, text=True, check=False).stdout
        (root / "etc/apt/apt.conf.d/90host").write_text(proxies)
        for cached in (root / "var/cache/apt/archives").glob("*.deb"):
            cached.unlink()
        archive = Path(folder) / "root.tar"
        subprocess.run(["tar", "--create", "--file", str(archive), "--directory", str(root), "."], check=True)
        engine.docker("import", "--change", 'CMD ["/bin/bash"]', str(archive), debian(suite), timeout=300)


def mirror() -> str:
    """The Debian mirror that this machine's apt uses."""
    sources = [
        *Path("/etc/apt/sources.list.d").glob("*.sources"),
        Path("/etc/apt/sources.list"),
        *Path("/etc/apt/sources.list.d").glob("*.list"),
    ]
    for file in sources:
        if file.exists():
            found = re.search(
                r"^(?:URIs:|deb(?: \[.*\])?)\s+(https?://\S*/debian)/?\s*$|^deb(?: \[.*\])? (https?://\S*/debian)/? ",
                file.read_text(),
                re.M,
            )
            if found:
                return found.group(1) or found.group(2)
    return DEFAULT_MIRROR
