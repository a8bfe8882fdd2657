"""Extracts the columns of a row from HTML: title, main text, Markdown, links, language.

trafilatura is best at finding the content of a page, but its output flattens tables, code and
lists. So it only locates the content: the smallest element that contains the text is cut out of the
original page, cleaned, and converted to Markdown (markdownify) and text.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, field
from typing import Any

from crawler import language, render
from crawler.charset import MAX_TEXT, decode
from crawler.urls import canonical

# the part of a page that is read for links, and for content, which needs far more memory; in
# characters and in tags, each of which needs some hundred bytes
MAX_READ = (8_000_000, 400_000)
MAX_CONTENT = (2_000_000, 80_000)
MAX_LEVEL = 700  # of nesting, for which parsers need quadratic time; browsers stop at 512
MAX_LINKS = 2_000
MAX_REFRESH = 5  # seconds; a page with a longer one is to be read first

_NOISE = (
    "script, style, noscript, template, svg, iframe, object, embed, canvas, dialog, "
    "nav, footer, aside, button, input, select, textarea, [hidden], [aria-hidden='true'], "
    "[role='navigation'], [role='search'], [role='banner'], [role='contentinfo']"
)
_CONTENT = ("article", "main")
_NESTING = re.compile(
    r"<(/?)(?:div|span|section|article|main|header|footer|nav|aside|ul|ol|dl|table|blockquote|form"
    r"|fieldset|figure|details|center|object|button|template)\b",
    re.IGNORECASE,
)
# seconds and address, as browsers read them; possessive, since a page may contain anything
_REFRESH = re.compile(
    r"\s*+(\d{0,9}+)(?:\.[\d.]*+)?+(?:\s*+[;,]|\s)\s*+(?:url\s*+=\s*+)?+"
    r"(?:\"([^\"]*+)|'([^']*+)|(.*+))",
    re.IGNORECASE | re.DOTALL,
)
_SPACES = re.compile(r"\s+")
_LINE_ENDS = re.compile(r"[\n|]")
_PROBES = 30  # pieces of the main text by which its element is found
_MIN_PROBE = 15  # characters of one piece
_MAX_DESCENT = 100  # levels; deeper pages are meant to waste time
_SHARE = 0.9  # of the probes that an element must contain
# a main text with fewer characters and a smaller share of the page is not used
_MIN_CONTENT = 250
_MIN_CONTENT_SHARE = 0.3


@dataclass
class Page:
    """The columns that come from the content of a page."""

    title: str = ""
    description: str = ""
    language: str | None = None
    canonical_url: str | None = None
    text: str = ""
    markdown: str = ""
    links: list[str] = field(default_factory=list)
    refresh: str | None = None  # the address that a browser goes to after a moment


def extract(body: bytes, url: str, charset: str = "", content_language: str = "") -> Page:
    """Extract a page. No content raises an error; text that cannot be extracted stays empty."""
    from selectolax.lexbor import LexborHTMLParser

    html = _cut(decode(body, charset), *MAX_READ)
    tree = LexborHTMLParser(html)
    base = _base(tree, url)
    page = Page(
        title=_title(tree),
        description=_meta(tree, "description") or _meta(tree, "og:description"),
        canonical_url=_canonical(tree, base),
        links=_links(tree, base),
    )
    page.refresh = _refresh(tree, base)
    node = _content(tree, _cut(html, *MAX_CONTENT))
    if node is not None:
        markdown, text = render.to_markdown_and_text(_cut(node.html or "", *MAX_CONTENT), base)
        page.markdown, page.text = markdown[:MAX_TEXT], text[:MAX_TEXT]
    page.language = language.declared(
        _attribute(tree, "html", "lang"), content_language, _meta(tree, "content-language")
    ) or language.guess(page.text)
    return page


def _cut(html: str, characters: int, tags: int) -> str:
    """The beginning of a document, up to a number of characters, of tags, and of levels."""
    html = html[:characters]
    if html.count("<") > tags:
        html = html[: len(html) - len(html.split("<", tags)[-1]) - 1]
    level = 0
    for tag in _NESTING.finditer(html):
        level = level + 1 if not tag[1] else max(0, level - 1)
        if level > MAX_LEVEL:
            return html[: tag.start()]
    return html


# --- the head of the page -----------------------------------------------------------------


def _base(tree: Any, url: str) -> str:
    href = _attribute(tree, "base[href]", "href")
    return (canonical(href, url) or url) if href else url


def _title(tree: Any) -> str:
    for selector in ("head title", "title", "h1"):
        node = tree.css_first(selector)
        text = _flat(node.text()) if node is not None else ""
        if text:
            return text[:1000]
    return _meta(tree, "og:title")[:1000]


def _meta(tree: Any, name: str) -> str:
    selector = f"meta[name='{name}' i], meta[property='{name}' i], meta[http-equiv='{name}' i]"
    return _flat(_attribute(tree, selector, "content"))[:5000]


def _canonical(tree: Any, base: str) -> str | None:
    href = _attribute(tree, "link[rel~='canonical' i][href]", "href")
    return canonical(href, base) if href else None


def _refresh(tree: Any, base: str) -> str | None:
    known: dict[int, bool] = {}
    for node in tree.css("meta[http-equiv='refresh' i][content]"):
        found = _REFRESH.match(node.attributes.get("content") or "")
        if found is None or float(found[1] or 0) > MAX_REFRESH or _without_scripts(node, known):
            continue
        address = (found[2] or found[3] or found[4] or "").strip()
        return canonical(address, base) if address else None
    return None


def _without_scripts(node: Any, known: dict[int, bool]) -> bool:
    """Whether an element is there only for browsers that run no scripts.

    ``known`` keeps the answers for the elements around it: a page may nest any number of them.
    """
    passed, answer = [], False
    while node is not None:
        answer = known.get(node.mem_id, node.tag == "noscript")
        if answer or node.mem_id in known:
            break
        passed.append(node.mem_id)
        node = node.parent
    known.update(dict.fromkeys(passed, answer))
    return answer


def _links(tree: Any, base: str) -> list[str]:
    """The distinct addresses that are linked to or shown in frames, in the order of the page."""
    found: dict[str, None] = {}
    hrefs: set[str] = set()
    known: dict[int, bool] = {}
    for node in tree.css("a[href], area[href], iframe[src], frame[src]"):
        if node.tag == "iframe" and _without_scripts(node, known):
            continue
        href = node.attributes.get("href") or node.attributes.get("src") or ""
        target = href.partition("#")[0].strip()
        if not target or target in hrefs:
            continue
        hrefs.add(target)
        link = canonical(target, base)
        if link is not None:
            found[link] = None
        if len(found) >= MAX_LINKS:
            break
    return list(found)


def _attribute(tree: Any, selector: str, name: str) -> str:
    node = tree.css_first(selector)
    return (node.attributes.get(name) or "").strip() if node is not None else ""


def _flat(text: str) -> str:
    return _SPACES.sub(" ", text).strip()


# --- the content --------------------------------------------------------------------------


def _content(tree: Any, html: str) -> Any:
    """The element with the content; the cleaned body when none is found."""
    body = tree.body
    if body is None:
        return None
    main = _main_text(html)
    _remove_noise(body)
    body_text = _without_spaces(body.text())
    found = _without_spaces(main)
    if len(found) < _MIN_CONTENT and len(found) < len(body_text) * _MIN_CONTENT_SHARE:
        return body
    return _smallest(body, _probes(main))


def _main_text(html: str) -> str:
    """The lines of text that trafilatura finds as content."""
    from trafilatura import bare_extraction

    logging.getLogger("trafilatura").setLevel(logging.CRITICAL)
    try:
        document = bare_extraction(html, include_comments=False, include_formatting=False)
    except Exception:  # caused by hostile pages; then the whole body is used
        return ""
    return (getattr(document, "text", "") or "") if document is not None else ""


def _probes(text: str) -> list[str]:
    """Pieces of the main text, evenly distributed."""
    pieces = [_without_spaces(piece) for piece in _LINE_ENDS.split(text)]
    chosen = [piece for piece in pieces if len(piece) >= _MIN_PROBE]
    if sum(map(len, chosen)) * 2 < sum(map(len, pieces)):  # only lists of words
        chosen = [piece for piece in pieces if len(piece) > 2]
    return chosen[:: max(1, len(chosen) // _PROBES)]


def _smallest(body: Any, probes: list[str]) -> Any:
    """Descend from the body while one child contains nearly all pieces."""
    if not probes:
        return body
    needed = _SHARE * len(probes)
    min_length = sum(map(len, probes)) * _SHARE
    node = body
    for _ in range(_MAX_DESCENT):
        for child in node.iter():
            text = _without_spaces(child.text())
            if len(text) >= min_length and sum(1 for probe in probes if probe in text) >= needed:
                node = child
                break
        else:
            break
    return node


def _remove_noise(body: Any) -> None:
    """Remove elements that are never content; the header of an article is kept.

    Elements are collected before any is removed, and never one within another: a node that was
    removed with its parent must not be used again.
    """
    noise = {node.mem_id for node in body.css(_NOISE)}
    removed = []
    stack = [(body, False)]
    while stack:
        node, in_article = stack.pop()
        in_article = in_article or node.tag in _CONTENT
        for child in node.iter():
            if child.mem_id in noise or (child.tag == "header" and not in_article):
                removed.append(child)
            else:
                stack.append((child, in_article))
    for node in removed:
        node.decompose()


def _without_spaces(text: str) -> str:
    """The text without white space, which parsers treat differently."""
    return "".join(text.split())
