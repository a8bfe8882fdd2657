"""The documentation server of the tour, and its page that needs JavaScript."""

from __future__ import annotations

import html
import json
import textwrap

import httpx2

from fyke.cli.tour_site import documentation


def test_the_page_has_no_content_without_its_script() -> None:
    with documentation(scripted=True) as start, httpx2.Client(trust_env=False) as client:
        page = client.get(start).text
        data = client.get(start.replace("javascript.html", "modules.json")).text
        linked = client.get(start.replace("javascript.html", "textwrap.html"))
    modules = {module["name"]: module["text"] for module in json.loads(data)}
    words = html.escape(" ".join((textwrap.__doc__ or "").split()))
    assert modules["textwrap"] == words
    assert all(text and text not in page for text in modules.values())
    assert "<script>" in page
    assert "Pydoc: module textwrap" in linked.text
    assert linked.headers["content-type"].startswith("text/html")


def test_without_a_browser_it_starts_at_the_index() -> None:
    with documentation() as start, httpx2.Client(trust_env=False) as client:
        assert start.endswith("/")
        assert "Index of Modules" in client.get(start).text
