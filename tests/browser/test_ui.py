"""What a person sees: a real Chromium logs in, reads a DAG's page, triggers a run through the form and watches it succeed.

The pictures of the documentation are made here; see `screenshots.py`.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from cli.stack.settings import Settings
from tests.browser.screenshots import Screenshots
from tests.integration.airflow_api import AirflowApi, until
from tests.integration.lake_reader import LakeReader, instant

pytestmark = [pytest.mark.stack, pytest.mark.browser, pytest.mark.timeout(300)]

DAY = timedelta(days=1)
# What a person does with the corner of a box that can be resized, which lies within the dialog.
DRAG_CORNER = """(dialog, [width, height]) => {
  const box = [dialog, ...dialog.querySelectorAll("*")].find(element => getComputedStyle(element).resize === "both");
  Object.assign(box.style, {width: `${width}px`, height: `${height}px`, maxWidth: "none", maxHeight: "none"});
}"""


def test_nobody_sees_anything_without_a_password(chromium: Browser, settings: Settings) -> None:
    page = chromium.new_page(base_url=settings.api_url)
    page.goto("/dags/orders")
    expect(page.locator("input[name=password]")).to_be_visible(timeout=60_000)
    page.fill("input[name=username]", "admin")
    page.fill("input[name=password]", "admin")
    page.click("[type=submit]")
    expect(page.get_by_text("Invalid login")).to_be_visible(timeout=60_000)
    page.close()


def test_the_list_shows_every_dag(page: Page, admin: AirflowApi, screenshots: Screenshots) -> None:
    dag_ids = ["customers", "daily_sales", "order_items", "orders", "page_events", "payments_by_hand"]
    for dag_id in dag_ids:
        admin.unpause(dag_id)

    def states() -> dict[str, set[str]]:
        return {dag_id: {run["state"] for run in admin.runs(dag_id)} for dag_id in dag_ids}

    until(lambda: all(seen and not seen & {"queued", "running"} for seen in states().values()), 240, lambda: f"runs: {states()}")
    page.goto("/dags?tags=tributary")  # the test stack has a DAG of its own, too
    page.get_by_label("Show table view").click()
    for dag_id in dag_ids:
        expect(page.get_by_role("link", name=dag_id, exact=True).first).to_be_visible()
    screenshots.take(page, "dags", ["6 Dags", *dag_ids], height=700)


def test_a_dag_explains_itself(page: Page, admin: AirflowApi, screenshots: Screenshots) -> None:
    page.goto("/dags/orders")
    page.get_by_test_id("markdown-button").click()
    dialog = page.get_by_role("dialog")
    for text in ("If it fails", "--to-date"):
        expect(dialog.get_by_text(text).first).to_be_visible()
    shown = ["One row per order of the shop", "A run reads", "Guarantee", "Healthy when", "One run over many days", "If it fails"]
    dialog.evaluate(DRAG_CORNER, [700, 460])
    screenshots.take(page, "dag-docs", shown, only=dialog)
    page.keyboard.press("Escape")


def test_a_run_over_many_days_is_triggered_through_the_form_and_succeeds(
    page: Page, admin: AirflowApi, settings: Settings, screenshots: Screenshots
) -> None:
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    start, end = today - 10 * DAY, today - 5 * DAY
    known = {run["dag_run_id"] for run in admin.runs("orders")}
    lake = LakeReader(settings)

    page.goto("/dags/orders")
    page.get_by_test_id("trigger-dag-button").click()
    page.locator("#element_start").fill(start.strftime("%Y-%m-%d"))
    page.locator("#element_end").fill(end.strftime("%Y-%m-%d"))
    shown = ["Start", "First day to load.", "End (exclusive)", "First day not to load", "Allow fewer rows"]
    screenshots.take(page, "trigger", shown, height=1150)
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
    screenshots.take(page, "run", ["Success", "wait_until_safe", "plan", "extract", "check", "publish", "5 Task Instances"])

    windows = [(instant(c["window"]["start"]), instant(c["window"]["end"])) for c in lake.certificates("orders") if c["run_id"] == run]
    assert windows == [(start, end)]


def test_the_form_refuses_what_is_no_date(page: Page, admin: AirflowApi) -> None:
    """The field is a date picker: free text cannot be typed into it."""
    page.goto("/dags/orders")
    page.get_by_test_id("trigger-dag-button").click()
    for name in ("start", "end"):
        assert page.locator(f"#element_{name}").get_attribute("type") == "date"
    page.keyboard.press("Escape")


def test_a_backfill_is_started_in_its_dialog_and_loads_its_days(
    page: Page, admin: AirflowApi, settings: Settings, screenshots: Screenshots
) -> None:
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    first, last = today - 14 * DAY, today - 12 * DAY
    began = datetime.now(UTC)
    admin.free_for_backfill("orders")

    page.goto("/dags/orders")
    page.get_by_test_id("trigger-dag-button").click()
    dialog = page.locator("[data-scope=dialog][role=dialog]")  # the calendar is a dialog too
    dialog.get_by_text("Backfill", exact=True).click()
    for label, day in (("From", first), ("To", last)):
        dialog.get_by_text("Select date and time").first.click()
        page.get_by_placeholder("YYYY/MM/DD").fill(f"{day:%Y/%m/%d}")
        page.get_by_placeholder("HH:mm").fill("00:00")
        page.keyboard.press("Enter")
        page.keyboard.press("Escape")  # closes the calendar
        expect(dialog.get_by_text(re.compile(rf"{day:%b} 0?{day.day}, {day:%Y} 00:00")), label).to_be_visible()
    dialog.get_by_text("All Runs").click()
    screenshots.take(
        page, "backfill", ["Run Backfill - orders", "Date Range", "Reprocess Behavior", "Missing Runs", "All Runs"], height=1500
    )
    dialog.get_by_role("button", name="Run Backfill").click()

    def made() -> list[str]:
        runs = admin.runs("orders", run_type="backfill")
        return [run["dag_run_id"] for run in runs if first <= instant(run["data_interval_start"]) <= last]

    until(lambda: len(made()) == 3, 60, lambda: f"the dialog made the runs {made()}")
    admin.succeed([("orders", run) for run in made()], 240)
    fresh = [c for c in LakeReader(settings).certificates("orders") if instant(c["published_at"]) >= began]
    days = {instant(c["window"]["start"]) for c in fresh if c["run_id"] in made()}
    assert days == {first, first + DAY, last}


def test_flower_wants_its_password_and_shows_both_workers(chromium: Browser, settings: Settings, screenshots: Screenshots) -> None:
    for path in ("/", "/workers", "/api/workers", "/api/tasks"):
        assert httpx.get(f"{settings.flower_url}{path}", trust_env=False).status_code == 401, path
    login = {"username": "admin", "password": settings["FLOWER_PASSWORD"]}
    with chromium.new_context(http_credentials=login, viewport={"width": 1400, "height": 600}) as context:  # type: ignore[arg-type]
        page = context.new_page()
        page.goto(f"{settings.flower_url}/workers")
        for worker in settings.worker_names:
            expect(page.get_by_text(f"celery@{worker}").first).to_be_visible(timeout=30_000)
        screenshots.take(page, "flower", ["Online workers", "Succeeded", *(f"celery@{worker}" for worker in settings.worker_names)])
        page.goto(f"{settings.flower_url}/tasks")
        expect(page.get_by_text("execute_workload").first).to_be_visible(timeout=30_000)
        assert "eyJ" not in page.content(), "a task's token is shown"
