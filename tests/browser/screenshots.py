"""The pictures of docs/images: each is taken by a test, with the words that it must show; one that no longer shows them is stale."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from playwright.sync_api import Locator, Page, expect

IMAGES = Path(__file__).parents[2] / "docs" / "images"
INDEX = "screenshots.json"
# Set by `./lake test --screenshots`.
UPDATE = "LAKE_UPDATE_SCREENSHOTS"


@dataclass(frozen=True)
class Screenshots:
    """:param folder: where the pictures of this run go.
    :param images: where those of the documentation lie, with an index of what each shows.
    """

    folder: Path
    images: Path = IMAGES

    def take(self, page: Page, name: str, shows: Sequence[str], *, height: int = 0, only: Locator | None = None) -> None:
        """Picture what the window shows, and compare what it must show with what the picture in docs/images showed.

        :param shows: texts that are visible on the page.
        :param height: of the window in pixels meanwhile, so that nothing is cut off; 0 leaves it.
        :param only: the part of the page to picture.
        :raises AssertionError: where one is not, or where the picture of docs/images was made of other texts or another Airflow.
        """
        window = page.viewport_size if height else None
        if window:
            page.set_viewport_size({"width": window["width"], "height": height})
        for text in shows:
            expect(page.get_by_text(text).first).to_be_visible()
        self.folder.mkdir(exist_ok=True)
        picture = (only or page).screenshot(path=self.folder / f"{name}.png", animations="disabled")
        if window:
            page.set_viewport_size(window)
        if os.environ.get(UPDATE):
            self._keep(name, picture, shows)
        self.check(name, shows)

    def check(self, name: str, shows: Sequence[str]) -> None:
        """:raises AssertionError: where the picture of docs/images is stale."""
        kept = self.images / f"{name}.png"
        assert kept.is_file(), f"{kept} is missing; make it: ./lake test --screenshots"
        digest = hashlib.sha256(kept.read_bytes()).hexdigest()
        assert self._index().get(name) == _entry(shows, digest), (
            f"{kept} is stale; make it anew, look at it, commit it: ./lake test --screenshots"
        )

    def _keep(self, name: str, picture: bytes, shows: Sequence[str]) -> None:
        self.images.mkdir(exist_ok=True)
        (self.images / f"{name}.png").write_bytes(picture)
        index = self._index() | {name: _entry(shows, hashlib.sha256(picture).hexdigest())}
        (self.images / INDEX).write_text(json.dumps(index, indent=2, sort_keys=True, ensure_ascii=False) + "\n", "utf-8")

    def _index(self) -> dict[str, Any]:
        file = self.images / INDEX
        return dict(json.loads(file.read_text("utf-8"))) if file.is_file() else {}


def _entry(shows: Sequence[str], digest: str) -> dict[str, Any]:
    return {"airflow": version("apache-airflow-core"), "shows": list(shows), "sha256": digest}
