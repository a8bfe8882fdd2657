"""The documentation in the console: every link leads somewhere, and every area has help."""

from __future__ import annotations

import pytest
from lxml import html

from fyke.console import guide as module
from fyke.console.guide import API, ROOT, Guide, guide, help_for, help_for_hint, slug
from fyke.console.navigation import GROUPS
from fyke.kit.assets import assets
from fyke.reasons import HintCode

DOCS = assets() / "docs"


@pytest.fixture(scope="module")
def pages() -> Guide:
    return guide()


def test_all_pages_of_the_folders_are_there(pages: Guide) -> None:
    assert {"tutorial", "how-to/console", "how-to/alerts", "reference/settings"} <= set(pages.pages)
    assert not [name for name in pages.pages if name.startswith(("internals", "decisions"))]
    assert pages.pages["how-to/alerts"].title == "Alerts"
    assert [page.name for page in pages.group("")[:2]] == ["tutorial", "recipes"]
    assert "recipes/scrapy" in {page.name for page in pages.group("recipes")}


def test_links_lead_to_pages_and_headings_that_exist(pages: Guide) -> None:
    """Of the short pages; a long one takes a while to render."""
    short = [page for page in pages.pages.values() if len(str(page.sections)) < 12_000]
    assert len(short) > 25
    anchors: dict[str, set[str]] = {}
    links = []
    for page in short:
        tree = html.fromstring(f"<div>{pages.html(page)}</div>")
        anchors[page.address] = set(tree.xpath("//@id"))
        links += [(page.address, link) for link in tree.xpath("//a/@href")]
    assert not [link for _, link in links if link.endswith(".md") or ".md#" in link]
    for place, link in links:
        address, _, anchor = link.partition("#")
        if not link.startswith((ROOT, "#")):
            assert link.startswith(("http://", "https://", "mailto:", API)), (place, link)
            continue
        target = address or place
        assert target == ROOT or target.removeprefix(f"{ROOT}/") in pages.pages, (place, link)
        if anchor and target in anchors:
            assert anchor in anchors[target], (place, link)


def test_a_link_out_of_the_pages_is_text(pages: Guide) -> None:
    text = pages._linked("how-to/x", '<p><a href="../decisions/0001.md" rel="n">why</a></p>')
    assert text == "<p>why</p>"
    text = pages._linked("how-to/x", '<a href="alerts.md#guarantees">a</a>')
    assert text == f'<a href="{ROOT}/how-to/alerts#guarantees">a</a>'


def test_screenshots_are_left_out(pages: Guide) -> None:
    page = pages.pages["how-to/alerts"]
    assert "<picture>" in (DOCS / "how-to" / "alerts.md").read_text(encoding="utf-8")
    assert not any("picture>" in section.text for section in page.sections)
    assert "webp" not in pages.html(page)


def test_search_finds_titles_before_texts(pages: Guide) -> None:
    hits = pages.search("alerts", 10)
    assert hits[0].title == "Alerts" and hits[0].heading == ""
    texts = {hit.address: hit.snippet for hit in pages.search("median last 20 runs", 30)}
    assert "last 20 runs" in texts[f"{ROOT}/how-to/alerts"]
    assert pages.search("who notified", 5, titles=True)[0].address.endswith("#who-is-notified")
    assert pages.search("median", 5, titles=True) == []
    assert pages.search("slack", 1)[0].address == f"{ROOT}/how-to/webhooks#chats", "most often"
    assert pages.search("  ", 5) == [] and pages.search("zzzqqq", 5) == []
    assert len(pages.search("run", 7)) == 7


def test_a_heading_with_one_of_the_words_comes_before_longer_words_in_texts(pages: Guide) -> None:
    hit = pages.search("roll back version", 1)[0]
    assert hit.address == f"{ROOT}/how-to/publish-and-review#changing-your-mind-about-a-version"
    assert pages.search("version roll back", 1) == [hit]


def test_headings_of_results_are_plain_text(pages: Guide) -> None:
    hits = pages.search("export", 30, titles=True)
    assert "POST /api/v1/run/result/export" in [hit.heading for hit in hits]
    assert not [hit for hit in hits if "`" in hit.heading]
    assert "price_cpu_hour" in {hit.heading for hit in pages.search("price_cpu_hour", 10)}


def test_a_search_is_for_a_few_different_words(pages: Guide) -> None:
    assert pages.search("slack " * 80, 3) == pages.search("slack", 3)
    few = "a e i o t n s r"
    assert len(few.split()) == module.MAX_WORDS
    assert pages.search(f"{few} zzzqqq", 3) == pages.search(few, 3) != []


def test_search_finds_headings_of_the_third_level_first(pages: Guide) -> None:
    hits = pages.search("progress of a run", 10)
    assert hits[0].heading == "Progress of a run"
    assert hits[0].address.endswith("reference/worker#progress-of-a-run")
    assert sum(hit.title == "From Apify to Fyke" for hit in pages.search("apify", 30)) > 1


def test_excerpts_are_plain_text(pages: Guide) -> None:
    hits = [hit for word in ("actor", "install", "fyke") for hit in pages.search(word, 200)]
    assert len(hits) > 100
    marks = ("| --- |", "| Apify |", "```", "](", "###", "…sh fyke")
    assert not [hit.snippet for hit in hits if any(mark in hit.snippet for mark in marks)]
    assert module._plain("| a | `b \\| c` |\n|---|---|\n| [d](e.md) |  |") == "a; b | c. d."


def test_results_lead_to_headings_that_exist(pages: Guide) -> None:
    page = pages.pages["how-to/why-a-run-failed"]
    anchors = set(html.fromstring(f"<div>{pages.html(page)}</div>").xpath("//@id"))
    assert {section.anchor for section in page.sections if section.heading} <= anchors


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Docker", "In a container, with podman or Docker"),
        ("uv tool install", "Install the package, with uv or pipx"),
        ("pip", "Install the package, with uv or pipx"),
        ("Playwright", "Playwright, Puppeteer and Selenium"),
        ("selenium", "Playwright, Puppeteer and Selenium"),
        ("Scrapy", "Scrapy"),
        ("crawlee", "Crawlee"),
        ("BeautifulSoup", "Requests and Beautiful Soup"),
        ("Apify actor", "From Apify to Fyke"),
        ("dataset", "From Apify to Fyke"),
        ("Slack", "Webhooks"),
        ("/metrics", "Metrics"),
        ("MCP", "Agents"),
        ("rollback", "Upgrade"),
        ("roll back version", "Publish for all accounts, and review"),
        ("pagination", "Pagination"),
        ("login", "Log in with secrets"),
        ("retry 403", "When a site answers 403: rotate, back off, stop"),
        ("proxy pool", "A pool of proxies"),
        ("dedupe", "Upsert and dedupe"),
        ("Excel", "Commands"),
        ("two-factor", "Users and signing in"),
    ],
)
def test_what_newcomers_search_for_is_found(pages: Guide, text: str, found: str) -> None:
    assert found in [hit.title for hit in pages.search(text, 4)]


def test_every_area_has_a_page_of_help(pages: Guide) -> None:
    areas = [entry.path for group in GROUPS for entry in group.entries]
    areas += ["/runs/X/browser", "/runs/X", "/w/a/b", "/w/a/b/secrets", "/admin/storage", "/x"]
    for area in areas:
        assert help_for(area).removeprefix(f"{ROOT}/") in pages.pages, area
    assert help_for("/settings/webhooks/new").endswith("how-to/webhooks")
    assert help_for("/w/a/b/versions").endswith("how-to/publish-and-review")
    assert help_for("/runs/X/traffic").endswith("recipes/proxies")
    names = {name for _, name in (*module._AREAS, *module._TABS)}
    assert names <= set(pages.pages)


def test_hints_lead_to_pages(pages: Guide) -> None:
    for address in {help_for_hint(code) for code in HintCode} - {""}:
        name, _, anchor = address.removeprefix(f"{ROOT}/").partition("#")
        assert not anchor or f'id="{anchor}"' in pages.html(pages.pages[name]), address
    assert help_for_hint(HintCode.BLOCKED) == f"{ROOT}/recipes/blocked"
    assert help_for_hint(HintCode.KILLED) == ""


def test_anchors_are_those_of_repositories() -> None:
    assert slug("Who is notified") == "who-is-notified"
    assert slug("`smtp_url`") == "smtp_url" and slug("Why, and what-for?") == "why-and-what-for"


def test_a_heading_within_a_block_of_code_is_no_section() -> None:
    found = list(module._sections("a\n```\n## no\n```\n## yes\nb"))
    assert [(section.heading, section.text) for section in found] == [
        ("", "a\n```\n## no\n```"),
        ("yes", "b"),
    ]
