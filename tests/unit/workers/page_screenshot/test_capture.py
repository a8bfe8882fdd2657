"""Pictures of real pages, taken with a real browser."""

from __future__ import annotations

import base64
import json
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from devtools import BrowserError, NoBrowser, Tab
from screenshot import capture
from screenshot.settings import Settings, read

from fyke.egress.actions import Credentials
from support.crawled_site import Site, site
from support.devtools_browser import devtools_browser

pytestmark = pytest.mark.needs("chromium")
COLUMNS = Path(__file__).parents[4] / "workers" / "page-screenshot" / "output_schema.json"
SECONDS = 20.0
TALL = b"<!doctype html><title>Tall</title><div style='height:3000px'></div>"
EARLY = b"<!doctype html><title>Early</title><script>fetch('/hangs')</script>"
LATE = b"""<!doctype html><title>Early</title><script>
setTimeout(() => { document.body.innerHTML = "<p id=late>now</p>"; document.title = "Late" }, 100)
</script>"""


# as soon as its picture is taken, it goes on; so does the next one
MOVING = b"""<!doctype html><title>%b</title>
<script>addEventListener("visited", () => location.replace("%b"))</script>"""


@pytest.fixture(scope="module")
def chromium() -> Iterator[str]:
    with devtools_browser() as address:
        yield address


@pytest.fixture
def served() -> Iterator[Site]:
    with site() as running:
        running.put("/tall", TALL)
        running.put("/early", EARLY)
        running.put("/late", LATE)
        running.put("/busy-script", b"<title>Busy</title><script>for (;;);</script>")
        running.put("/moved", b"", status=302, Location="/tall")
        yield running


def settings(url: str, **custom: Any) -> Settings:
    return read({"url": url, "wait": "load", "width": 400, "height": 300, **custom})


def shoot(chromium: str, url: str, **custom: Any) -> dict[str, Any]:
    return capture.capture(chromium, url, settings(url, **custom))


def png_size(row: dict[str, Any]) -> tuple[int, int]:
    image = base64.b64decode(row["image"])
    assert image.startswith(b"\x89PNG")
    width, height = struct.unpack(">II", image[16:24])
    return width, height


def test_a_picture_shows_the_window_or_the_whole_page(chromium: str, served: Site) -> None:
    url = f"{served.base}/moved"
    row = shoot(chromium, url)
    assert set(row) == {column["name"] for column in json.loads(COLUMNS.read_text())}
    assert png_size(row) == (400, 300)
    assert row["bytes"] == len(base64.b64decode(row["image"]))
    assert (row["url"], row["final_url"]) == (url, f"{served.base}/tall")
    assert (row["title"], row["status"], row["error"]) == ("Tall", 200, "")
    whole = shoot(chromium, url, mode="full_page", scale=2)
    assert png_size(whole) == (whole["width"], whole["height"])
    assert whole["width"] == 800 and whole["height"] >= 6000
    assert not whole["cut"]


def test_a_page_that_is_too_high_is_cut(chromium: str, served: Site) -> None:
    served.put("/tall", b"<div style='height:20000px'></div>")
    row = shoot(chromium, f"{served.base}/tall", mode="full_page", width=100)
    assert (row["height"], row["cut"]) == (16_384, True)
    assert png_size(row) == (100, 16_384)


def test_a_page_with_too_many_pixels_is_cut(
    chromium: str, served: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capture, "MAX_AREA", 800 * 1000)
    row = shoot(chromium, f"{served.base}/tall", mode="full_page", scale=2)
    assert (row["width"], row["height"], row["cut"]) == (800, 1000, True)
    assert png_size(row) == (800, 1000)


@pytest.mark.parametrize(("format", "start"), [("jpeg", b"\xff\xd8"), ("pdf", b"%PDF-")])
def test_other_formats(chromium: str, served: Site, format: str, start: bytes) -> None:
    row = shoot(chromium, f"{served.base}/article", format=format, mode="full_page")
    assert base64.b64decode(row["image"]).startswith(start)
    assert (row["format"], row["error"]) == (format, "")


def test_it_waits_for_what_is_wanted(chromium: str, served: Site) -> None:
    assert shoot(chromium, f"{served.base}/early")["title"] == "Early"
    url = f"{served.base}/late"
    assert shoot(chromium, url, selector="#late")["title"] == "Late"
    assert shoot(chromium, url, delay_seconds=2)["title"] == "Late"


@contextmanager
def opened(chromium: str, url: str) -> Iterator[Tab]:
    """A tab in which a page has begun to load, with half a second left."""
    with Tab(chromium, SECONDS) as tab:
        tab.open(url)
        tab._until = time.monotonic() + 0.5
        yield tab


@pytest.mark.parametrize(
    ("path", "custom", "missing"),
    [
        ("/early", {"selector": "#never"}, "no element matches #never"),
        ("/early", {"wait": "idle"}, "requests did not end"),
        ("/busy-script", {}, "not loaded"),
    ],
)
def test_what_the_page_does_not_reach_is_named(
    chromium: str, served: Site, path: str, custom: dict[str, Any], missing: str
) -> None:
    url = served.base + path
    with opened(chromium, url) as tab:
        if path == "/early":
            tab._until = time.monotonic() + SECONDS
            assert tab.wait(lambda: "load" in tab.reached)
            tab._until = time.monotonic() + 0.5
        assert capture._wait(tab, settings(url, **custom))[1] == missing


def test_what_is_there_is_taken_when_the_time_is_over(
    chromium: str, served: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capture, "_wait", lambda *_: ("", "not loaded"))
    row = shoot(chromium, f"{served.base}/tall")
    assert row["error"] == "not loaded within 30 s"
    assert png_size(row) == (400, 300)


@pytest.mark.parametrize(
    "goes_on",
    [b"<meta http-equiv=refresh content='0;url=%b'>", b"<script>location = '%b'</script>"],
)
def test_a_page_that_never_rests_is_taken_when_the_time_is_over(
    chromium: str, served: Site, goes_on: bytes
) -> None:
    for path, following in ((b"loopa", b"/loopb"), (b"loopb", b"/loopa")):
        page = b"<title>%b</title><p>The page %b</p>" % (path, path) + goes_on % following
        served.put(f"/{path.decode()}", page)
    row = shoot(chromium, f"{served.base}/loopa", wait="idle", timeout_seconds=3)
    assert row["error"] in ("not loaded within 3 s", "requests did not end within 3 s")
    assert row["title"] in ("loopa", "loopb")
    assert (png_size(row), row["status"]) == ((400, 300), 200)


@pytest.mark.parametrize("mode", ["viewport", "full_page"])
def test_a_script_that_does_not_end_is_stopped_for_the_picture(
    chromium: str, served: Site, mode: str
) -> None:
    served.put("/busy-script", TALL + b"<script>for (;;);</script>")
    url, row = f"{served.base}/busy-script", dict[str, Any]()
    with opened(chromium, url) as tab:
        assert not tab.wait(lambda: "load" in tab.reached)
        capture._take(tab, row, settings(url, mode=mode))
    assert row["title"] == "Tall"
    assert png_size(row) == (row["width"], row["height"])


def test_a_page_that_is_too_busy_has_no_picture(
    chromium: str, served: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capture, "CAPTURE_SECONDS", 0.5)
    monkeypatch.setattr(Tab, "stop_busy_scripts", lambda *_: None)
    url = f"{served.base}/busy-script"
    with opened(chromium, url) as tab, pytest.raises(BrowserError, match="too busy for a picture"):
        capture._take(tab, {}, settings(url))


def go_on(monkeypatch: pytest.MonkeyPatch, documents: int) -> list[str]:
    """Let pages go to the next document before their picture is taken; return the titles of those
    whose picture was taken.
    """
    take, titles = capture._picture, []

    def picture(tab: Tab, row: dict[str, Any], settings: Settings) -> str:
        titles.append(row["title"])
        if len(titles) <= documents:
            document = tab.document
            tab.evaluate("void dispatchEvent(new Event('visited'))")
            assert tab.wait(lambda: tab.document != document)
        return take(tab, row, settings)

    monkeypatch.setattr(capture, "_picture", picture)
    return titles


def test_the_document_of_the_picture_has_been_waited_for(
    chromium: str, served: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    served.put("/moving", MOVING % (b"First", b"/second"))
    served.put("/second", MOVING % (b"Second", b"/moving"))
    titles = go_on(monkeypatch, 1)
    row = shoot(chromium, f"{served.base}/moving")
    assert (titles, row["error"]) == (["First", "Second"], "")
    assert (row["title"], row["final_url"]) == ("Second", f"{served.base}/second")
    assert png_size(row) == (400, 300)
    titles = go_on(monkeypatch, 99)
    row = shoot(chromium, f"{served.base}/moving")
    assert len(titles) == capture.MAX_DOCUMENTS
    assert row["error"] == "the page went to another document whenever its picture was taken"


def test_all_documents_of_a_page_share_its_time(
    chromium: str, served: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    served.put("/moving", MOVING % (b"First", b"/second"))
    served.put("/second", MOVING % (b"Second", b"/moving"))
    go_on(monkeypatch, 99)
    picture, ends = capture._picture, []

    def timed(tab: Tab, *more: Any) -> str:
        ends.append(tab._until)
        return picture(tab, *more)

    monkeypatch.setattr(capture, "_picture", timed)
    url, row = f"{served.base}/moving", dict[str, Any]()
    with Tab(chromium, capture.CAPTURE_SECONDS / 2) as tab:
        end = tab._until
        tab.open(url)
        capture._take_loaded(tab, row, settings(url))
    assert ends == [end + capture.CAPTURE_SECONDS] * capture.MAX_DOCUMENTS


def test_failures_are_rows_with_the_reason(
    chromium: str, served: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = shoot(chromium, f"{served.base}/missing")
    assert (missing["status"], missing["error"]) == (404, "")
    refused = shoot(chromium, "http://127.0.0.1:1/")
    assert (refused["image"], refused["error"]) == ("", "net::ERR_UNSAFE_PORT")
    hanging = shoot(chromium, f"{served.base}/hangs", timeout_seconds=1)
    assert (hanging["image"], hanging["error"]) == ("", "no answer within 1 s")
    selector = shoot(chromium, f"{served.base}/tall", selector="##")
    assert "'##' is not a valid selector" in selector["error"]
    monkeypatch.setattr(capture, "MAX_IMAGE", 1000)
    large = shoot(chromium, f"{served.base}/article")
    assert large["image"] == "" and large["bytes"] > 750
    assert "750 fit into a row; take jpeg" in large["error"]


def replaced(name: str, getter: str) -> bytes:
    return (
        TALL
        + f"""<script>
Object.defineProperty({name}, {{get() {{ {getter} }}}})</script>""".encode()
    )


@pytest.mark.parametrize(
    "page",
    [
        TALL + b"<img name=title><img name=scrollingElement>",
        replaced("document, 'title'", "throw 5"),
        replaced("document, 'title'", "return {window}"),
        replaced("document, 'title'", "for (;;);"),
        replaced("window, 'scrollTo'", "throw 3"),
        replaced("document, 'scrollingElement'", "return null"),
        replaced("Document.prototype, 'querySelector'", "throw 4"),
        replaced("window, 'Reflect'", "return null"),
    ],
)
def test_what_a_page_redefines_is_not_used(chromium: str, served: Site, page: bytes) -> None:
    served.put("/tall", page)
    row = shoot(chromium, f"{served.base}/tall", mode="full_page", selector="div")
    assert (row["title"], row["error"]) == ("Tall", "")
    assert row["height"] >= 3000 and png_size(row) == (400, row["height"])


def test_the_text_of_the_proxy_is_no_page(
    chromium: str, served: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROXY_AUTH", "A1:secret")
    host, _, port = served.base.removeprefix("http://").partition(":")
    proof = Credentials("A1", "secret").proof(host, int(port), 403, "not a public address")
    refusal = {"Fyke-Refusal": f"{proof} not a public address"}
    served.put("/refused", b"not a public address", status=403, **refusal)
    served.put("/to-refused", b"", status=302, Location="/refused")
    served.put("/script-to-refused", b"<title>Here</title><script>location = '/refused'</script>")
    for path in ("/refused", "/to-refused", "/script-to-refused"):
        row = shoot(chromium, served.base + path)
        assert (row["image"], row["status"]) == ("", None)
        assert row["error"] == "refused by the platform: not a public address"
    served.put("/refused", b"forged", status=403, **{"Fyke-Refusal": f"{proof} another reason"})
    row = shoot(chromium, f"{served.base}/refused")
    assert (row["status"], row["error"], bool(row["image"])) == (403, "", True)


def test_a_download_is_refused(chromium: str, served: Site) -> None:
    served.put("/file", b"x", "application/zip")
    row = shoot(chromium, f"{served.base}/file")
    assert row["error"] == "the address is a download, and downloads are refused"


@pytest.mark.parametrize(
    ("kind", "page"),
    [
        ("image/svg+xml", b"<svg xmlns='http://www.w3.org/2000/svg' width='50' height='900'/>"),
        ("application/xml", b"<a>text</a>"),
    ],
)
def test_a_document_may_have_no_body(chromium: str, served: Site, kind: str, page: bytes) -> None:
    served.put("/drawing", page, kind)
    row = shoot(chromium, f"{served.base}/drawing", mode="full_page")
    assert (row["error"], row["status"]) == ("", 200)
    assert png_size(row) == (row["width"], row["height"])


def test_any_other_error_is_in_the_row(
    chromium: str, served: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Tab, "open", lambda *_: {}["loaderId"])
    row = shoot(chromium, f"{served.base}/tall")
    assert row["error"] == "the picture could not be taken: KeyError: 'loaderId'"


def test_without_a_browser_there_is_no_row() -> None:
    with pytest.raises(NoBrowser, match="no connection to the browser"):
        shoot("ws://127.0.0.1:1", "https://example.com/")
