"""Automatic checks of accessibility in a page of a real browser."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from playwright.sync_api import Page

SOURCE = Path(__file__).parents[1] / "vendor" / "axe-core" / "axe.min.js"
# rules that a theme may violate
COLOURS = ("color-contrast", "color-contrast-enhanced", "link-in-text-block")
# All rules but those that axe itself has given up: WCAG to AAA, best practice, experimental.
_RUN = """async (chosen) => {
  const all = axe.getRules().filter((rule) => !rule.tags.includes('deprecated'));
  const values = chosen.length ? chosen : all.map((rule) => rule.ruleId);
  const result = await axe.run(document, {
    runOnly: {type: 'rule', values}, resultTypes: ['violations'], elementRef: false,
  });
  const place = (node) => '    ' + node.target.join(' ') + '  ' + node.html.slice(0, 160);
  const reason = (node) => node.any.concat(node.all, node.none).map((check) => check.message);
  return result.violations.map((rule) => [
    rule.id + ': ' + rule.help,
    ...rule.nodes.slice(0, 5).map((node) => place(node) + '\\n      ' + reason(node).join('; ')),
  ].join('\\n'));
}"""
# Where the page itself scrolls sideways, and elements that do so without being an area with a name:
# a reader of enlarged text must know where there is more. Fields scroll by their caret.
_SIDEWAYS = """async () => {
  for (let frame = 0; frame < 2; frame++) await new Promise(requestAnimationFrame);  // scripts too
  const wide = document.documentElement.clientWidth, found = [];
  const text = (element) => element.outerHTML.slice(0, 100);
  if (document.documentElement.scrollWidth > wide) {
    const out = [...document.body.querySelectorAll('*')].filter(
      (element) => element.getBoundingClientRect().right > wide + 1);
    const place = (element) => {
      const {left, right} = element.getBoundingClientRect(), {fontSize} = getComputedStyle(element);
      return `${left} to ${right}, text of ${fontSize}: ${text(element)}`;
    };
    found.push(document.documentElement.scrollWidth + ' px: ' + out.slice(0, 5).map(place));
  }
  const roles = ['region', 'log', 'navigation', 'listbox', 'status'];
  for (const element of document.querySelectorAll('body *')) {
    if (element.scrollWidth <= element.clientWidth + 1 || !element.checkVisibility()) continue;
    if (!['auto', 'scroll'].includes(getComputedStyle(element).overflowX)) continue;
    if (['TEXTAREA', 'SELECT', 'INPUT'].includes(element.tagName)) continue;
    const own = {NAV: 'navigation', OUTPUT: 'status'}[element.tagName];
    const role = element.getAttribute('role') || own;
    const named = element.hasAttribute('aria-label') || element.hasAttribute('aria-labelledby');
    if (!named || !roles.includes(role)) found.push('not a named area: ' + text(element));
  }
  return found;
}"""
# Text at 200 %, as a visitor sets it: every size of the console is relative to the root's.
_ENLARGE = "(share) => { document.documentElement.style.fontSize = share; }"


def violations(page: Page, rules: Sequence[str] = ()) -> list[str]:
    """Return the violated rules among ``rules`` (default: all), each with its first elements. The
    page must allow foreign scripts (``bypass_csp``).
    """
    if page.evaluate("typeof axe") == "undefined":
        page.evaluate(SOURCE.read_text(encoding="utf-8"))
    violated: list[str] = page.evaluate(_RUN, list(rules))
    return violated


def sideways(page: Page) -> list[str]:
    """Return what scrolls horizontally, but for areas that have a name."""
    found: list[str] = page.evaluate(_SIDEWAYS)
    return found


def enlarge(page: Page, share: str) -> None:
    """Set the size of text; ``""`` is the usual one."""
    page.evaluate(_ENLARGE, share)
