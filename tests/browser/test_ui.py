"""What a person sees: a real Chromium logs in, reads a DAG's page, triggers a run through the form and watches it succeed.

Screenshots lie in `screenshots/` of the stack's home.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from cli.stack.settings import Settings
from tests.integration.airflow_api import AirflowApi, until
from tests.integration.lake_reader import LakeReader, instant

pytestmark = [pytest.mark.stack, pytest.mark.browser, pytest.mark.timeout(300)]

DAY = timedelta(days=1)
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
def screenshots(settings: Settings) -> Path:
    folder = settings.home / "screenshots"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="module")
def page(chromium: Browser, settings: Settings, screenshots: Path) -> Iterator[Page]:
    """Logged in as admin, through the form."""
    page = chromium.new_page(viewport={"width": 1400, "height": 900}, base_url=settings.api_url)
    page.set_default_timeout(60_000)
    expect.set_options(timeout=60_000)
    page.goto("/")
    page.fill("input[name=username]", "admin")
    page.fill("input[name=password]", settings["AIRFLOW_ADMIN_PASSWORD"])
    page.screenshot(path=screenshots / "1-login.png")
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


def test_nobody_sees_anything_without_a_password(chromium: Browser, settings: Settings) -> None:
    page = chromium.new_page(base_url=settings.api_url)
    page.goto("/dags/orders")
    expect(page.locator("input[name=password]")).to_be_visible(timeout=60_000)
    page.fill("input[name=username]", "admin")
    page.fill("input[name=password]", "admin")
    page.click("[type=submit]")
    expect(page.get_by_text("Invalid login")).to_be_visible(timeout=60_000)
    page.close()


def test_the_list_shows_every_dag(page: Page, admin: AirflowApi, screenshots: Path) -> None:
    page.goto("/dags")
    for dag_id in ("customers", "daily_sales", "order_items", "orders", "page_events", "payments_by_hand"):
        expect(page.get_by_role("link", name=dag_id, exact=True).first).to_be_visible()
    page.screenshot(path=screenshots / "2-dags.png")


def test_a_dag_explains_itself(page: Page, admin: AirflowApi, screenshots: Path) -> None:
    page.goto("/dags/orders")
    page.get_by_test_id("markdown-button").click()
    dialog = page.get_by_role("dialog")
    for text in ("One row per order of the shop", "Healthy when", "If it fails", "One run over many days", "--to-date"):
        expect(dialog.get_by_text(text).first).to_be_visible()
    page.screenshot(path=screenshots / "3-dag-docs.png")
    page.keyboard.press("Escape")


def test_a_run_over_many_days_is_triggered_through_the_form_and_succeeds(
    page: Page, admin: AirflowApi, settings: Settings, screenshots: Path
) -> None:
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    start, end = today - 10 * DAY, today - 5 * DAY
    known = {run["dag_run_id"] for run in admin.runs("orders")}
    lake = LakeReader(settings)

    page.goto("/dags/orders")
    page.get_by_test_id("trigger-dag-button").click()
    page.locator("#element_start").fill(start.strftime("%Y-%m-%d"))
    page.locator("#element_end").fill(end.strftime("%Y-%m-%d"))
    page.screenshot(path=screenshots / "4-trigger-form.png")
    page.get_by_test_id("trigger-dag-submit").click()

    new: set[str] = set()

    def triggered() -> bool:
        new.update({run["dag_run_id"] for run in admin.runs("orders", run_type="manual")} - known)
        return bool(new)

    until(triggered, 30, lambda: "the form made no run")
    (run,) = new
    page.goto(f"/dags/orders/runs/{run}")
    expect(page.get_by_text("success", exact=False).first).to_be_visible(timeout=180_000)
    admin.succeed([("orders", run)], 180)
    page.reload()
    page.wait_for_load_state("networkidle")
    page.screenshot(path=screenshots / "5-run.png")

    windows = [(instant(c["window"]["start"]), instant(c["window"]["end"])) for c in lake.certificates("orders") if c["run_id"] == run]
    assert windows == [(start, end)]


def test_the_form_refuses_what_is_no_date(page: Page, admin: AirflowApi) -> None:
    """The field is a date picker: free text cannot be typed into it."""
    page.goto("/dags/orders")
    page.get_by_test_id("trigger-dag-button").click()
    for name in ("start", "end"):
        assert page.locator(f"#element_{name}").get_attribute("type") == "date"
    page.keyboard.press("Escape")


def test_flower_wants_its_password_and_shows_both_workers(chromium: Browser, settings: Settings, screenshots: Path) -> None:
    for path in ("/", "/workers", "/api/workers", "/api/tasks"):
        assert httpx.get(f"{settings.flower_url}{path}", trust_env=False).status_code == 401, path
    login = {"username": "admin", "password": settings["FLOWER_PASSWORD"]}
    with chromium.new_context(http_credentials=login, viewport={"width": 1400, "height": 600}) as context:  # type: ignore[arg-type]
        page = context.new_page()
        page.goto(f"{settings.flower_url}/workers")
        for worker in settings.worker_names:
            expect(page.get_by_text(f"celery@{worker}").first).to_be_visible(timeout=30_000)
        page.screenshot(path=screenshots / "6-flower.png")
        page.goto(f"{settings.flower_url}/tasks")
        expect(page.get_by_text("execute_workload").first).to_be_visible(timeout=30_000)
        page.screenshot(path=screenshots / "7-flower-tasks.png")
        assert "eyJ" not in page.content(), "a task's token is shown"
