"""Tasks, schedules, uploads and reviews in a browser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from support.app import make_templates
from support.axe import sideways
from support.browser import PHONE, WIDE, tab
from support.console_seed import SeededAccount, seed
from support.pages import sign_in
from support.projects import python_project
from support.served import Served, served

GOOD = python_project("from sdk import CoreSDK\n", output=[{"name": "price", "type": "number"}])


@dataclass
class Seen:
    server: Served
    fixtures: SeededAccount
    token: str


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    folder = tmp_path_factory.mktemp("tasks")
    (folder / "data").mkdir()
    (folder / "templates").mkdir()
    templates = make_templates(folder / "templates")
    with served(folder / "data", templates, rate_limit=0) as server:
        fixtures = server.do(seed(server.app))
        token = server.do(sign_in(server.app.services.sessions, server.app))
        yield Seen(server, fixtures, token)


@pytest.fixture
def page(browser: Browser, seen: Seen) -> Iterator[Page]:
    with tab(browser, seen.server.base_url, seen.token) as (page, watch):
        yield page
        assert watch.errors == []
        assert watch.foreign == []


@pytest.mark.needs("git")
def test_the_checks_of_an_upload_are_shown_as_they_end(page: Page, tmp_path: Path) -> None:
    file = tmp_path / "prices.zip"
    file.write_bytes(GOOD)
    page.goto("/dev/upload")
    page.get_by_label("Project ZIP").set_input_files(file)
    page.get_by_role("button", name="Upload and check").click()
    expect(page.get_by_role("heading", name="Checks")).to_be_visible()
    expect(page.locator("#step-code")).to_contain_text("passed")  # streamed, without a reload
    expect(page.locator("main").get_by_text("ready to publish").first).to_be_visible()
    expect(page.get_by_role("heading", name="Output columns")).to_be_visible()
    page.get_by_role("button", name="JSON").click()
    expect(page.get_by_label("Input as JSON")).to_be_visible()
    page.get_by_label("New Worker").check()
    page.locator("#f-name").fill("brought")
    page.get_by_role("button", name="Publish this version").click()
    expect(page).to_have_url(re.compile(r"/w/owner/brought$"))


@pytest.mark.needs("git")
def test_a_file_can_be_dropped(page: Page) -> None:
    page.goto("/dev/upload")
    dropped = """async (base) => {
      const drop = document.querySelector('upload-drop');
      const data = new DataTransfer();
      data.items.add(new File(['x'], 'dropped.zip'));
      const how = {dataTransfer: data, bubbles: true, cancelable: true};
      drop.dispatchEvent(new DragEvent('drop', how));
      return drop.querySelector('input').files[0].name;
    }"""
    assert page.evaluate(dropped) == "dropped.zip"


def test_the_next_times_are_updated_while_typing(page: Page, seen: Seen) -> None:
    page.goto(seen.fixtures.tasks["/tasks/{id}/schedule"])
    expect(page.locator("#ahead li")).to_have_count(10)
    expect(page.get_by_label("Weekday")).to_be_hidden()
    page.get_by_label("Cron rule", exact=True).last.fill("0 9 * * 8")
    expect(page.locator("#cron-now")).to_contain_text("The day of the week must be 0 (Sunday)")
    page.get_by_label("Every week").check()
    expect(page.get_by_label("Weekday")).to_be_visible()
    expect(page.locator("#ahead li")).to_have_count(10)


def test_the_month_is_a_list_on_a_phone(browser: Browser, seen: Seen) -> None:
    with tab(browser, seen.server.base_url, seen.token, size=PHONE) as (page, watch):
        page.goto("/schedules")
        expect(page.get_by_role("heading", name="Schedules")).to_be_visible()
        page.get_by_role("link", name="Month").click()
        page.get_by_role("link", name="Later").click()
        expect(page.locator("table.month")).to_be_hidden()
        expect(page.locator(".month-list")).to_be_visible()
        assert page.locator(".month-list dt").count() >= 28
        assert not sideways(page)
        assert watch.errors == []
    with tab(browser, seen.server.base_url, seen.token, size=WIDE) as (page, _watch):
        page.goto("/schedules/month")
        expect(page.locator("table.month")).to_be_visible()


def test_a_decision_needs_a_confirmation(page: Page, seen: Seen) -> None:
    page.goto(seen.fixtures.tasks["/admin/review/{id}"])
    second = page.get_by_role("button", name="Return v1.0.2")
    expect(second).to_be_hidden()
    page.get_by_label("Note for the account").fill("Say what it reads")
    page.get_by_role("button", name="Return", exact=True).click()
    second.click()
    expect(page.get_by_text("The version was returned with your note.")).to_be_visible()
