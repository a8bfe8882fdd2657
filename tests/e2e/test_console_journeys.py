"""The main tasks of users, from sign-in to the exported file: by mouse, by keyboard alone, and on a
phone.

Find, start, watch, export, schedule and upload, in this order on a booted platform, using only the
pages.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from support.axe import sideways
from support.booted import Booted
from support.browser import Watch, chromium, tab
from support.input_devices import INPUT_DEVICES, InputDevice
from support.projects import python_project
from support.two_servers import BootedPair

PASSWORD = "corn flower blue"
ROWS = 6
SAYS = f"""
import time
from sdk import CoreSDK

given = CoreSDK.Parameter.get_input_json_dict()
CoreSDK.Result.set_table_header([
    {{"label": "Number", "key": "n", "format": "integer"}},
    {{"label": "Word", "key": "word", "format": "text"}},
])
for n in range({ROWS}):
    CoreSDK.Log.info(f"pushing number {{n}}")
    CoreSDK.Result.push_data({{"n": n, "word": given["word"]}})
    time.sleep(0.3)
"""
SCHEMA: dict[str, Any] = {
    "description": "Says a word, a few times",
    "properties": [
        {"name": "word", "title": "Word", "type": "string", "editor": "input", "required": True},
    ],
}
COLUMNS = [
    {"name": "n", "type": "integer", "description": "Number"},
    {"name": "word", "type": "string", "description": "Word"},
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Closed at the end of this module: no event loop may run in this thread while it is open."""
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def home(platform: Booted) -> Booted:
    """The platform of the session: no other test sets the password of its owner."""
    platform.push(python_project(SAYS, schema=SCHEMA, output=COLUMNS), "town-crier", public=True)
    platform.push(python_project(SAYS, schema=SCHEMA), "whisperer", public=True)
    return platform


@dataclass
class ConsoleUser:
    """A user with a browser."""

    device: InputDevice
    page: Page
    watch: Watch
    phone: bool

    def go(self, area: str) -> None:
        """Open a page from the sidebar, which is collapsed on a phone."""
        if self.phone:
            self.page.locator(".side-open").tap()
        main = self.page.get_by_role("navigation", name="Main")
        link = main.get_by_role("link", name=area)
        path = link.get_attribute("href")
        self.press(link)
        self.page.wait_for_url(f"**{path}")

    def press(self, thing: Locator) -> None:
        self.device.press(thing)

    def button(self, name: str, *, within: Locator | None = None) -> Locator:
        return (within or self.page).get_by_role("button", name=name, exact=True)

    def check_page(self) -> None:
        """Check that there were no errors, and that the page does not overflow."""
        assert self.watch.errors == self.watch.foreign == self.watch.dialogs == []
        assert sideways(self.page) == []


def sign_in(home: Booted, page: Page, device: InputDevice) -> None:
    """Set the password with the link of ``fyke up`` at the first user, then sign in. The link
    names the first server, but it is opened at the platform's address like all pages.
    """
    link = re.fullmatch(r"(http://[^/\s]+)(/setup\?token=\S+)", home.setup_link())
    assert link, home.tail()
    assert link[1] == (home.urls[0] if isinstance(home, BootedPair) else home.url)
    page.goto(link[2])
    password = page.locator("input[name=password]")
    if page.get_by_role("heading", name="Set up Fyke").count() == 0:
        page.goto("/login")
        device.write(page.get_by_role("textbox", name="Name", exact=True), "owner")
    device.write(password, PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/(welcome)?$"))


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(name, marks=() if name == "keyboard" else pytest.mark.long)
        for name in INPUT_DEVICES
    ],
)
def user(request: pytest.FixtureRequest, browser: Browser, home: Booted) -> Iterator[ConsoleUser]:
    kind, size, phone = INPUT_DEVICES[request.param]
    touch = {"has_touch": True, "is_mobile": True} if phone else {}
    with tab(browser, home.url, size=size, reduced_motion="reduce", **touch) as (page, watch):
        device = kind(page)
        sign_in(home, page, device)
        yield ConsoleUser(device, page, watch, phone)


def test_a_worker_is_found_in_the_store(user: ConsoleUser) -> None:
    user.go("Store")
    page = user.page
    expect(page.get_by_role("heading", level=1)).to_have_text("Store")
    user.device.write(page.get_by_label("Search for a Worker"), "crier")
    expect(page.get_by_role("link", name="whisperer")).to_have_count(0)
    user.press(page.locator("#found").get_by_role("link", name="town-crier", exact=True))
    expect(page).to_have_url(re.compile(r"/w/owner/town-crier$"))
    user.check_page()


def start(user: ConsoleUser, word: str) -> None:
    page = user.page
    page.goto("/w/owner/town-crier")
    user.device.write(page.get_by_role("textbox", name="Word", exact=True), word)
    user.press(user.button("Start"))
    page.wait_for_url(re.compile(r"/runs/[0-9A-Z]{26}$"))


def test_a_run_is_started_from_the_form(user: ConsoleUser) -> None:
    page = user.page
    page.goto("/w/owner/town-crier")
    user.press(user.button("Start"))  # empty: the error is at the field
    fault = page.locator("#faults")
    expect(fault).to_be_focused()
    user.press(fault.get_by_role("link").first)
    word = page.get_by_role("textbox", name="Word", exact=True)
    expect(word).to_be_focused()
    user.device.write(word, "hear ye")
    user.press(user.button("Start"))
    page.wait_for_url(re.compile(r"/runs/[0-9A-Z]{26}$"))
    expect(page.locator("#run-figures")).to_contain_text("Succeeded", timeout=60_000)
    user.check_page()


def test_a_run_is_watched_live(user: ConsoleUser) -> None:
    """The page is updated live: rows, lines of the log, the end."""
    start(user, "news")
    page = user.page
    user.press(page.get_by_role("link", name=re.compile("^Log")).first)
    expect(page.get_by_role("log")).to_contain_text("pushing number 0", timeout=60_000)
    expect(page.get_by_role("log")).to_contain_text(f"pushing number {ROWS - 1}", timeout=60_000)
    expect(page.locator("#run-figures")).to_contain_text("Succeeded", timeout=60_000)
    user.press(page.get_by_role("link", name=re.compile("^Output")).first)
    expect(page.locator("#rows")).to_contain_text("news")
    user.check_page()


def test_the_rows_of_a_run_are_exported(user: ConsoleUser, tmp_path: Path) -> None:
    start(user, "filed")
    page = user.page
    expect(page.locator("#run-figures")).to_contain_text("Succeeded", timeout=60_000)
    page.reload()
    user.press(page.get_by_role("link", name="Export").or_(user.button("Export")).first)
    form = page.locator(".export-form")
    user.press(form.get_by_role("radio", name="JSON lines"))
    user.press(form.get_by_role("radio", name="CSV"))
    with page.expect_download() as download:
        user.press(user.button("Download", within=form))
    file = tmp_path / download.value.suggested_filename
    download.value.save_as(file)
    assert file.suffix == ".csv"
    with file.open(encoding="utf-8-sig", newline="") as opened:
        rows = list(csv.reader(opened))
    assert rows[0] == ["n", "word"]
    assert rows[1:] == [[str(n), "filed"] for n in range(ROWS)]
    user.check_page()


def test_a_task_is_scheduled(user: ConsoleUser) -> None:
    page = user.page
    page.goto("/w/owner/town-crier")
    user.device.write(page.get_by_role("textbox", name="Word", exact=True), "good morning")
    user.press(page.locator("summary", has_text="Save as task"))
    title = f"Every morning by {user.device.name}"
    user.device.write(page.get_by_label("Name of the task"), title)
    user.press(user.button("Save task"))
    expect(page.get_by_text(title).first).to_be_visible()
    user.go("Tasks")
    user.press(page.get_by_role("link", name=title, exact=True))
    page.wait_for_url(re.compile(r"/tasks/[0-9A-Z]{26}$"))
    user.press(page.get_by_role("link", name="Add a schedule"))
    user.press(page.get_by_role("radio", name="Cron rule"))
    user.device.write(page.locator("#f-cron"), "30 6 * * 1-5")
    expect(page.locator("#ahead li").first).to_contain_text("6:30")
    user.press(user.button("Save schedule"))
    page.wait_for_url(re.compile(r"/tasks/[0-9A-Z]{26}$"))
    expect(page.locator("ol.plain-list time").first).to_contain_text("6:30")
    user.go("Schedules")
    expect(page.get_by_text(title).first).to_be_visible()
    user.check_page()


def test_a_worker_is_uploaded_and_published(user: ConsoleUser, tmp_path: Path) -> None:
    name = f"by-{user.device.name}"
    archive = tmp_path / f"{name}.zip"
    archive.write_bytes(python_project(SAYS, schema=SCHEMA, output=COLUMNS))
    user.go("Upload")
    page = user.page
    user.device.attach(page.locator("#f-scraper_file"), archive)
    user.press(user.button("Upload and check"))
    page.wait_for_url(re.compile(r"/dev/upload/[0-9A-Z]{26}$"))
    publish = user.button("Publish this version")
    expect(publish).to_be_visible(timeout=60_000)
    user.press(page.get_by_label("New Worker"))
    user.device.write(page.locator("#f-name"), name)
    user.press(publish)
    expect(page).to_have_url(re.compile(rf"/w/owner/{name}$"))
    user.check_page()
