from __future__ import annotations

import re
import stat
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cli import env_file
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
    # The second block is drawn at random: equal ones are possible but one in 85.
    assert len({one[key] for key in env_file.PORTS}) == len(env_file.PORTS)


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
