"""Hostile text in a Worker, a row or a name stays text.

A browser opens every page that shows it. No script runs, no other host is contacted, and the
content policy, the second barrier after escaping, blocks nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from support.app import make_templates
from support.browser import tab
from support.hostile import COUNT, payloads
from support.hostile_seed import Hostile, fill
from support.pages import sign_in
from support.served import served

pytestmark = pytest.mark.needs("git")

# Counts the violations of the policy in every frame, from the start of the page.
_COUNTS = """
window.stopped = [];
document.addEventListener('securitypolicyviolation', (event) => {
  window.stopped.push(event.violatedDirective + ' ' + event.blockedURI + ' ' + event.sourceFile);
});
"""
# Traces of an injected script, including one that waits for a click.
_FOUND = """() => {
  const bad = [...window.stopped];
  if (window.hit !== undefined) bad.push('window.hit is set');
  for (const each of document.querySelectorAll('*')) {
    for (const name of each.getAttributeNames()) {
      const value = each.getAttribute(name).replace(/[\\u0000-\\u0020]/g, '').toLowerCase();
      if (name.startsWith('on') || name === 'style' || name === 'srcdoc'
          || (/^(href|src|action|formaction|xlink:href|data)$/.test(name)
              && /^(javascript|data:text|vbscript)/.test(value)))
        bad.push(each.outerHTML.slice(0, 200));
    }
    if (each.localName === 'script' && new URL(each.src || 'x:').origin !== location.origin)
      bad.push(each.outerHTML.slice(0, 200));
  }
  return bad;
}"""
SHARE = 6
PLACES = {
    "readme", "title", "description", "label", "option", "column", "changelog", "file name",
    "file content", "reason", "error", "input", "task", "row", "row key", "log", "key", "view",
    "webhook", "alert rule",
}  # fmt: skip


@contextmanager
def _hostile(folder: Path, texts: Sequence[str]) -> Iterator[tuple[str, str, Hostile]]:
    templates, data = folder / "templates", folder / "data"
    templates.mkdir()
    data.mkdir()
    with served(data, make_templates(templates), rate_limit=0) as server:
        found = server.do(fill(server.app, texts), 600)
        token = server.do(sign_in(server.app.services.sessions, server.app))
        yield server.base_url, token, found


def look(browser: Browser, url: str, token: str, addresses: Sequence[str]) -> list[str]:
    """The problems on these pages."""
    bad: list[str] = []
    with tab(browser, url, token) as (page, watch):
        page.add_init_script(_COUNTS)
        for address in addresses:
            answer = page.goto(address)
            assert answer is not None
            if answer.status >= 500 or answer.url.split("?")[0] != url + address.split("?")[0]:
                bad.append(f"{address}: {answer.status} {answer.url}")
            bad += [f"{address}: {item}" for item in _seen(page)]
    return [*bad, *watch.dialogs, *watch.foreign, *watch.errors]


def _seen(page: Page) -> list[str]:
    found: list[str] = page.evaluate(_FOUND)
    return found


def check(browser: Browser, folder: Path, texts: Sequence[str]) -> None:
    with _hostile(folder, texts) as (url, token, found):
        bad = look(browser, url, token, [*found.single, *found.packed])
    assert not bad, "\n".join(bad)
    assert len(found.single) >= 2 * len(texts)
    assert set(found.taken) >= PLACES
    whole = {"readme", "label", "row", "row key", "log", "error", "input"}
    assert all(found.taken[place] >= len(texts) for place in whole), found.taken


def test_a_share_of_the_hostile_texts_is_shown_as_text(browser: Browser, tmp_path: Path) -> None:
    check(browser, tmp_path, payloads()[:SHARE])


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("part", range(4))
def test_every_hostile_text_is_shown_as_text(browser: Browser, tmp_path: Path, part: int) -> None:
    texts = payloads()
    assert len(set(texts)) == COUNT
    check(browser, tmp_path, texts[part::4])


def test_the_check_detects_an_injected_script(browser: Browser, tmp_path: Path) -> None:
    """Otherwise it would accept every page."""
    with _hostile(tmp_path, []) as (url, token, _), tab(browser, url, token) as (page, watch):
        page.add_init_script(_COUNTS)
        page.route(
            "**/bad",
            lambda route: route.fulfill(
                content_type="text/html",
                headers={"content-security-policy": "script-src 'self'"},
                body="<script>window.hit=1</script><img src=//evil.example/i.png onerror=alert(1)>",
            ),
        )
        page.goto("/bad")
        assert any("script-src" in item for item in _seen(page))
        assert any("onerror" in item for item in _seen(page))
        assert watch.foreign == ["http://evil.example/i.png"]
