"""A stale picture is caught."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.browser.screenshots import IMAGES, UPDATE, Screenshots

ROOT = Path(__file__).parents[2]


class Window:
    """As much of a page as a picture needs; nothing to look for."""

    def screenshot(self, *, path: Path, **_options: str) -> bytes:
        path.write_bytes(b"picture")
        return b"picture"


@pytest.fixture
def shots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Screenshots:
    shots = Screenshots(tmp_path / "run", tmp_path / "images")
    monkeypatch.setenv(UPDATE, "1")
    shots.take(Window(), "list", [])  # type: ignore[arg-type]
    monkeypatch.delenv(UPDATE)
    return shots


def test_a_picture_that_was_just_made_is_fresh(shots: Screenshots) -> None:
    shots.take(Window(), "list", [])  # type: ignore[arg-type]


def test_a_picture_of_other_words_is_stale(shots: Screenshots) -> None:
    with pytest.raises(AssertionError, match=r"list\.png is stale.*--screenshots"):
        shots.check("list", ["a new button"])


def test_a_picture_that_was_replaced_by_hand_is_stale(shots: Screenshots) -> None:
    (shots.images / "list.png").write_bytes(b"another")
    with pytest.raises(AssertionError, match="stale"):
        shots.check("list", [])


def test_a_picture_of_an_older_airflow_is_stale(shots: Screenshots, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.browser.screenshots.version", lambda _: "3.4.0")
    with pytest.raises(AssertionError, match="stale"):
        shots.check("list", [])


def test_a_missing_picture_is_named(shots: Screenshots) -> None:
    with pytest.raises(AssertionError, match=r"runs\.png is missing"):
        shots.check("runs", [])


def test_every_picture_is_in_a_page_and_no_page_lacks_one() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    text = "".join(page.read_text("utf-8") for page in pages)
    pictures = {file.name for file in IMAGES.glob("*.png")}
    assert len(pictures) >= 6
    assert not {name for name in pictures if f"images/{name}" not in text}
