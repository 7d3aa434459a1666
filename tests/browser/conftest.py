"""A real Chromium, logged in; and where its pictures go."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from cli.stack.settings import Settings
from tests.browser.screenshots import Screenshots
from tests.integration.airflow_api import AirflowApi, until

# Debian's Chromium as root, without its talk to its maker's servers.
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    found = next((path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None)
    assert found, "no Chromium on the PATH: ./lake test installs Debian's; or run `apt-get install chromium`"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def screenshots(settings: Settings) -> Screenshots:
    return Screenshots(settings.home / "screenshots")


@pytest.fixture(scope="module")
def page(chromium: Browser, settings: Settings, screenshots: Screenshots) -> Iterator[Page]:
    """Logged in as admin, through the form."""
    page = chromium.new_page(viewport={"width": 1400, "height": 900}, base_url=settings.api_url)
    page.set_default_timeout(60_000)
    expect.set_options(timeout=60_000)
    page.goto("/")
    page.fill("input[name=username]", "admin")
    page.fill("input[name=password]", settings["AIRFLOW_ADMIN_PASSWORD"])
    screenshots.take(page, "login", ["Enter your login and password below:", "Username:"], height=420)
    page.click("[type=submit]")
    page.wait_for_url(f"{settings.api_url}/")
    yield page
    page.close()


@pytest.fixture(scope="module")
def admin(settings: Settings) -> AirflowApi:
    api = AirflowApi(settings)
    api.log_in()
    until(lambda: "orders" in api.dag_ids(), 120, lambda: f"orders is not parsed: {api.import_errors()}")
    api.unpause("orders")
    return api
