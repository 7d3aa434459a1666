from __future__ import annotations

import multiprocessing
import re
import shutil
import stat
import subprocess
import tempfile
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import pytest

from cli import env_file, port_blocks
from cli.stack.settings import Settings

ROOT = Path(__file__).parents[2]


def test_first_start_writes_every_secret_for_this_user_alone(tmp_path: Path) -> None:
    values = env_file.ensure(tmp_path)
    assert stat.S_IMODE((tmp_path / ".env").stat().st_mode) == 0o600
    assert set(env_file.KEYS) <= set(values)
    assert all(len(values[key]) >= 16 for key in env_file.SECRETS)


def test_second_start_keeps_every_value_and_lines_of_your_own(tmp_path: Path) -> None:
    first = env_file.ensure(tmp_path)
    path = tmp_path / ".env"
    path.write_text(
        path.read_text().replace("WORKERS=2", "WORKERS=3").replace("S3_PORT=", "#S3_PORT=") + "AIRFLOW__API__INSTANCE_NAME='My lake'\n"
    )
    second = env_file.ensure(tmp_path)
    assert {**first, "WORKERS": "3", "AIRFLOW__API__INSTANCE_NAME": "My lake", "S3_PORT": second["S3_PORT"]} == second
    assert env_file.read(path) == second


def test_two_homes_share_neither_secret_nor_port(tmp_path: Path) -> None:
    one, other = env_file.ensure(tmp_path / "one"), env_file.ensure(tmp_path / "other")
    assert not {one[key] for key in env_file.SECRETS} & {other[key] for key in env_file.SECRETS}
    assert len({values[key] for values in (one, other) for key in env_file.PORTS}) == 2 * len(env_file.PORTS)


def test_homes_that_are_made_at_once_share_no_port(tmp_path: Path) -> None:
    """Nobody listens yet. With a probe alone, two of twelve would have the same block more often than not."""
    with ProcessPoolExecutor(6, mp_context=multiprocessing.get_context("spawn")) as pool:
        made = list(pool.map(env_file.ensure, [tmp_path / str(number) for number in range(12)]))
    assert len({values["AIRFLOW_PORT"] for values in made}) == 12


def test_when_all_blocks_are_given_the_oldest_is_given_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(port_blocks, "BLOCKS", 3)
    monkeypatch.setattr(port_blocks, "_is_free", lambda _: True)
    given = [port_blocks.take() for _ in range(5)]
    assert len(set(given[:3])) == 3
    assert given[3:] == given[:2]
    monkeypatch.setattr(port_blocks, "_is_free", lambda _: False)
    with pytest.raises(env_file.EnvFileError, match="no block of free ports"):
        env_file.ensure(tmp_path / "home")


def test_lake_env_needs_nothing_but_a_python(tmp_path: Path) -> None:
    shutil.copy(ROOT / "lake", tmp_path)
    shutil.copytree(ROOT / "cli", tmp_path / "cli", ignore=shutil.ignore_patterns("__pycache__"))
    bare = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    done = subprocess.run([tmp_path / "lake", "env"], cwd="/", env=bare, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert set(env_file.KEYS) <= set(env_file.read(tmp_path / ".lake" / ".env"))
    assert (tmp_path / ".env").resolve() == tmp_path / ".lake" / ".env"


def test_two_starts_at_once_agree(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda _: env_file.ensure(tmp_path), range(8)))
    assert all(result == results[0] for result in results)


def test_a_broken_line_is_named(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("WORKERS=2\nnonsense\n")
    with pytest.raises(env_file.EnvFileError, match=r"line 2: 'nonsense' is not KEY=value"):
        env_file.ensure(tmp_path)


def test_the_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MYSQL_PORT", "12345")
    assert Settings.load(tmp_path).port("MYSQL_PORT") == 12345


def test_a_worker_gets_neither_the_metadata_database_nor_the_signing_keys(tmp_path: Path) -> None:
    settings = Settings.load(tmp_path)
    worker = "\n".join(f"{key}={value}" for key, value in settings.worker_env().items())
    for key in (
        "AIRFLOW_DB_PASSWORD",
        "AIRFLOW_JWT_SECRET",
        "AIRFLOW_API_SECRET_KEY",
        "AIRFLOW_FERNET_KEY",
        "POSTGRES_PASSWORD",
        "MYSQL_ROOT_PASSWORD",
    ):
        assert settings[key] not in worker
    assert settings["RABBITMQ_PASSWORD"] in worker  # the search finds what is there


def test_env_example_names_every_key_and_holds_no_secret() -> None:
    text = (ROOT / ".env.example").read_text()
    named = dict(re.findall(r"^#?\s?([A-Z0-9_]+)=(.*)$", text, re.MULTILINE))
    assert set(env_file.KEYS) <= set(named)
    assert not any(named[key] for key in env_file.SECRETS)
    assert {key: int(named[key]) for key in env_file.PORTS} == env_file.PORTS


def test_the_repository_holds_no_password() -> None:
    files = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    assigned = re.compile(r"""(?i)\b\w*(?:password|passwd|secret|secret_key|fernet_key)\s*[=:]\s*["']?([A-Za-z0-9_\-/+=]{8,})["']?\s*$""")
    default = re.compile(r"airflow:airflow|guest:guest|minioadmin|root:root|admin:admin")
    found = []
    for name in files:
        path = ROOT / name
        if not name or name == "constraints.txt" or name.startswith("tests/") or not path.is_file() or path.suffix in {".png", ".md"}:
            continue
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
            match = assigned.search(line)
            if default.search(line) or (match and not re.fullmatch(r"[A-Z_]+|[a-z_]+", match[1])):
                found.append(f"{name}:{number}: {line.strip()}")
    assert not found
    assert assigned.search("AIRFLOW_DB_PASSWORD=kD93jfLsk2lsPq")  # the search finds one that is there
