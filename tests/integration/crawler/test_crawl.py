"""The crawler on a real site: fetched, skipped, retried and stored pages."""

from __future__ import annotations

import signal
import subprocess
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

from support.crawled_site import ARTICLE, Site, page
from support.crawler import crawl

QUICK: dict[str, Any] = {"delay_seconds": 0, "max_retries": 1}


def start(served: Site, path: str = "/", **custom: Any) -> dict[str, Any]:
    return {"start_urls": [{"url": served.base + path}], **QUICK, **custom}


def test_a_whole_site_is_crawled(python: Path, served: Site) -> None:
    ran = crawl(python, start(served))
    base = served.base
    assert ran.code == 0, ran.stderr
    assert set(ran.urls()) == {
        f"{base}{path}"
        for path in (
            "/", "/article", "/b?x=1&y=2", "/article-new", "/missing", "/busy", "/data.bin",
            "/loop", "/latin", "/deep", "/menu-entry",
        )
    }  # fmt: skip
    assert len(ran.rows) == len(set(ran.urls()))
    assert ran.row(f"{base}/")["depth"] == 0
    assert ran.row(f"{base}/deep")["depth"] == 2
    assert ran.row(f"{base}/deep")["found_on"] == f"{base}/article"
    moved = ran.row(f"{base}/article-new")
    assert (moved["status"], moved["requested_url"]) == (200, f"{base}/old")
    missing = ran.row(f"{base}/missing")
    assert (missing["status"], missing["error"], missing["text"]) == (404, "HTTP 404 Not Found", "")
    assert ran.row(f"{base}/loop")["error"] == f"more than 10 redirects, in a loop: {base}/loop"
    binary = ran.row(f"{base}/data.bin")
    assert (binary["status"], binary["content_type"]) == (200, "application/octet-stream")
    assert binary["text"] == binary["error"] == ""
    assert "/private/x" not in served.paths()
    assert "/deeper" not in served.paths()
    assert served.paths()[0] == "/robots.txt"
    assert any(
        "done: 11 rows, 8 pages fetched, 3 pages failed, 1 page forbidden by robots.txt, " in line
        for line in ran.lines
    )


def test_a_429_is_retried_after_the_requested_time(python: Path, served: Site) -> None:
    ran = crawl(python, start(served, "/busy"))
    assert ran.row(f"{served.base}/busy")["title"] == "Not busy any more"
    first, second = (when for when, path, _ in served.requests if path == "/busy")
    assert 1.0 <= second - first < 5.0


def test_the_content_of_a_page_is_extracted(python: Path, served: Site) -> None:
    ran = crawl(python, start(served, "/article", max_results=1))
    row = ran.row(f"{served.base}/article")
    assert row["title"] == "The harbour"
    assert row["description"] == "About a harbour"
    assert row["canonical_url"] == f"{served.base}/article?from=canonical"
    assert row["language"] == "en"
    assert "founded by fishermen" in row["text"]
    assert "def ships():\n    return 12" in row["text"]
    assert "no content" not in row["text"] + row["markdown"]
    assert "## Trade" in row["markdown"]
    assert "| 1900 | 12 |" in row["markdown"]
    assert "```\ndef ships():\n    return 12\n```" in row["markdown"]
    assert f"[the **list**]({served.base}/b?x=1&y=2#top)" in row["markdown"]
    assert row["links"] == [
        f"{served.base}{path}" for path in ("/menu-entry", "/b?x=1&y=2", "/deep")
    ]
    assert list(row) == [
        "url", "status", "title", "description", "language", "text", "markdown", "links", "depth",
        "content_type", "canonical_url", "requested_url", "found_on", "rendered",
        "fetched_at", "error",
    ]  # fmt: skip


def test_a_wrong_charset_is_corrected(python: Path, served: Site) -> None:
    row = crawl(python, start(served, "/latin", max_results=1)).row(f"{served.base}/latin")
    assert row["title"] == "Grüße"
    assert "zwischen zwei Hügeln" in row["text"]
    assert row["language"] == "de"


def test_nested_sitemaps_are_read(python: Path, served: Site) -> None:
    robots = f"User-agent: *\nSitemap: {served.base}/index.xml\n".encode()
    served.put("/robots.txt", robots, "text/plain")
    ran = crawl(python, start(served, "/deeper", use_sitemap=True, max_depth=0))
    assert ran.code == 0
    expected = {f"{served.base}{path}" for path in ("/deeper", "/mapped-1", "/article")}
    assert set(ran.urls()) == expected
    assert any("gone.xml: HTTP 404" in line for line in ran.lines)


def test_a_sitemap_is_accepted_as_start_url(python: Path, served: Site) -> None:
    ran = crawl(python, {"start_urls": [f"{served.base}/one.xml.gz"], "max_depth": 1, **QUICK})
    assert ran.code == 0
    assert f"{served.base}/mapped-1" in ran.urls()
    assert ran.row(f"{served.base}/deep")["depth"] == 1
    assert not any("one.xml.gz" in url for url in ran.urls())


def test_patterns_and_limits_restrict_the_crawl(python: Path, served: Site) -> None:
    custom = start(served, include_patterns=["/article*", "*/old"], exclude_patterns=["*-new"])
    ran = crawl(python, custom)
    assert sorted(ran.urls()) == [f"{served.base}/", f"{served.base}/article"]
    capped = crawl(python, start(served, max_results=3))
    assert len(capped.rows) == 3
    assert len([path for path in served.paths() if path == "/deep"]) == 0


def test_robots_txt_may_be_ignored_and_a_page_in_its_place_has_no_rules(
    python: Path, served: Site
) -> None:
    ran = crawl(python, start(served, "/private/x", respect_robots=False, max_depth=0))
    assert ran.code == 0
    assert "/robots.txt" not in served.paths()
    served.put("/robots.txt", page("Disallow: /"))
    assert crawl(python, start(served, "/private/x", max_depth=0)).code == 0


def test_the_crawl_delay_is_respected(python: Path, served: Site) -> None:
    served.put("/robots.txt", b"User-agent: fykecrawler\nCrawl-delay: 0.7\n", "text/plain")
    crawl(python, start(served, max_results=3))
    times = [when for when, path, _ in served.requests if path != "/robots.txt"]
    assert len(times) == 3
    assert all(later - earlier > 0.6 for earlier, later in pairwise(times))


def test_a_crawl_that_fetches_nothing_fails_with_the_reason(python: Path, served: Site) -> None:
    forbidden = crawl(python, start(served, "/private/x"))
    assert forbidden.code == 1
    assert "forbidden by robots.txt" in forbidden.stderr.splitlines()[-1]
    absent = crawl(python, start(served, "/nowhere"))
    assert absent.code == 1
    assert absent.stderr.splitlines()[-1].endswith("/nowhere: HTTP 404 Not Found")
    wrong = crawl(python, {"start_urls": ["ftp://x/"], **QUICK})
    assert wrong.code == 1
    assert wrong.stderr.splitlines()[-1].startswith("start_urls: 'ftp://x/' is not a web address")


def test_a_site_with_a_failing_robots_txt_is_not_crawled(python: Path, served: Site) -> None:
    served.put("/robots.txt", b"", status=500)
    ran = crawl(python, start(served, max_retries=0))
    assert ran.code == 1
    assert served.paths() == ["/robots.txt"]
    assert "robots.txt could not be read: HTTP 500" in ran.stderr


def test_hostile_responses_are_survived(python: Path, served: Site) -> None:
    served.put("/", page("Traps", "/endless", "/bomb", "/cut", "/hangs", "/article"))
    ran = crawl(python, start(served, max_depth=1, max_retries=0, request_timeout_seconds=5))
    assert ran.code == 0
    assert ran.row(f"{served.base}/article")["status"] == 200
    for path in ("/endless", "/bomb"):
        assert ran.row(served.base + path)["error"] == "larger than 10,485,760 bytes"
    assert "no connection" in ran.row(f"{served.base}/cut")["error"]
    assert ran.row(f"{served.base}/hangs")["error"] == "no answer within 5 s"
    assert ran.row(f"{served.base}/hangs")["status"] is None


def test_a_redirected_start_url_is_followed(python: Path, served: Site) -> None:
    served.put("/", b"", status=301, Location=f"http://localhost:{served.port}/moved")
    served.put("/moved", page("Moved", "/deep"))
    ran = crawl(python, start(served))
    assert ran.code == 0
    assert f"http://localhost:{served.port}/deep" in ran.urls()
    assert served.paths().count("/robots.txt") == 2  # of both origins


def test_pages_that_only_lead_elsewhere_are_followed(python: Path, served: Site) -> None:
    refresh = "<meta http-equiv=refresh content='0;url={}'>"
    served.put("/", page("Home", "/goes", "/reloads", "/read"))
    served.put("/goes", page("Goes", head=refresh.format("/framed")))
    served.put("/framed", b"<title>Framed</title><iframe src=/deep></iframe>")
    served.put("/reloads", page("Reloads", head=refresh.format("")))
    served.put("/read", page("Read", body=ARTICLE, head=refresh.format("/never")))
    ran = crawl(python, start(served))
    assert ran.code == 0, ran.stderr
    framed = ran.row(f"{served.base}/framed")
    assert (framed["title"], framed["requested_url"]) == ("Framed", f"{served.base}/goes")
    assert ran.row(f"{served.base}/deep")["found_on"] == framed["url"]
    assert ran.row(f"{served.base}/reloads")["title"] == "Reloads"
    assert "harbour" in ran.row(f"{served.base}/read")["text"]
    assert "/never" not in served.paths()
    assert f"{served.base}/goes" not in ran.urls()


def test_loops_have_a_row(python: Path, served: Site) -> None:
    refresh = "<meta http-equiv=refresh content='0;url={}'>"
    base = served.base
    served.put("/", page("Home", "/loopa", "/ra", "/rb"))
    served.put("/loopa", page("A", head=refresh.format("/loopb")))
    served.put("/loopb", page("B", head=refresh.format("/loopa")))
    served.put("/ra", b"", status=302, Location="/rb")
    served.put("/rb", b"", status=302, Location="/ra")
    ran = crawl(python, start(served))
    assert ran.row(f"{base}/loopa")["title"] == "A"
    [error] = [row["error"] for row in ran.rows if row["url"] in (f"{base}/ra", f"{base}/rb")]
    named = error.removeprefix("more than 10 redirects, in a loop: ")
    assert sorted(named.split(", ")) == [f"{base}/ra", f"{base}/rb"]
    alone = crawl(python, start(served, "/ra"))
    assert alone.code == 1
    assert "more than 10 redirects, in a loop: " in alone.stderr.splitlines()[-1]


def test_text_that_is_no_page_is_stored_as_it_is(python: Path, served: Site) -> None:
    served.put("/", page("Home", "/notes.txt", "/data.json", "/style.css"))
    served.put("/notes.txt", "gr\xfc\xdfe\n".encode("latin-1"), "text/plain; charset=latin-1")
    served.put("/data.json", b'{"a": 1}', "application/ld+json")
    served.put("/style.css", b"a {}", "text/css")
    ran = crawl(python, start(served))
    texts = {path: ran.row(served.base + path)["text"] for path in ("/notes.txt", "/data.json")}
    assert texts == {"/notes.txt": "gr\xfc\xdfe\n", "/data.json": '{"a": 1}'}
    assert ran.row(f"{served.base}/notes.txt")["markdown"] == "gr\xfc\xdfe\n"
    assert ran.row(f"{served.base}/style.css")["text"] == ""


def test_a_stopped_crawl_keeps_its_rows(python: Path, served: Site) -> None:
    served.put("/", page("Home", "/hangs", "/article"))

    def stop(process: subprocess.Popen[str]) -> None:
        deadline = time.monotonic() + 30
        while "/hangs" not in served.paths() or "/article" not in served.paths():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM)

    started = time.monotonic()
    ran = crawl(python, start(served), meanwhile=stop)
    assert time.monotonic() - started < 20
    assert ran.code == 0
    assert f"{served.base}/" in ran.urls()
    assert any("done:" in line for line in ran.lines)
