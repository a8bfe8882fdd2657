"""Automatic checks of accessibility in a page of a real browser."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from playwright.sync_api import Page

SOURCE = Path(__file__).parents[1] / "vendor" / "axe-core" / "axe.min.js"
TAGS = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa")
COLOURS = ("color-contrast", "link-in-text-block")  # rules that a theme may violate
_RUN = """async ([type, values]) => {
  const result = await axe.run(document, {
    runOnly: {type, values}, resultTypes: ['violations'], elementRef: false,
  });
  const place = (node) => '    ' + node.target.join(' ') + '  ' + node.html.slice(0, 160);
  const reason = (node) => node.any.concat(node.all, node.none).map((check) => check.message);
  return result.violations.map((rule) => [
    rule.id + ': ' + rule.help,
    ...rule.nodes.slice(0, 5).map((node) => place(node) + '\\n      ' + reason(node).join('; ')),
  ].join('\\n'));
}"""


def violations(page: Page, rules: Sequence[str] = ()) -> list[str]:
    """Return the violated rules among ``rules`` (default: all), each with its first elements. The
    page must allow foreign scripts (``bypass_csp``).
    """
    if page.evaluate("typeof axe") == "undefined":
        page.evaluate(SOURCE.read_text(encoding="utf-8"))
    violated: list[str] = page.evaluate(_RUN, ["rule" if rules else "tag", list(rules or TAGS)])
    return violated


def sideways(page: Page) -> str:
    """Return the elements that make a page scroll horizontally, "" for none."""
    return str(
        page.evaluate(
            """() => {
  const wide = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= wide) return '';
  const out = [...document.body.querySelectorAll('*')].filter(
    (element) => element.getBoundingClientRect().right > wide + 1
  ).slice(0, 5).map((element) => element.outerHTML.slice(0, 100));
  return document.documentElement.scrollWidth + ' px: ' + out.join(' | ');
}"""
        )
    )
