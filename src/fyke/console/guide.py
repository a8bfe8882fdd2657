"""The documentation inside the console: tutorial, how-to and reference pages of this release.

They are the Markdown files of ``docs``, which the wheel contains. Links among them become links of
the console; those to other files of the repository become plain text. The operations of the API
have pages of their own (``docs/reference.py``).
"""

from __future__ import annotations

import html
import posixpath
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from markupsafe import Markup

from fyke.console.markdown import to_html
from fyke.kit.assets import assets

ROOT = "/guide"
API = "/docs"
START = ("tutorial", "glossary", "compatibility")
FOLDERS = ("how-to", "reference")
_OF_API = frozenset({"reference/api-v2", "reference/api-fyke"})  # shown at ``API``
_SNIPPET = 160  # characters
_HEADING = re.compile(r"<h([2-6])>(.*?)</h\1>", re.S)
_LINK = re.compile(r'<a href="([^"]*)"[^>]*>(.*?)</a>', re.S)
_TAG = re.compile(r"<[^>]+>")
_MARKS = re.compile(r"[`*]|\[|\]\([^)]*\)")  # of Markdown, for plain text


@dataclass(frozen=True, slots=True)
class GuideSection:
    """A heading of the second level, "" before the first, and the Markdown below it."""

    heading: str
    text: str

    @property
    def markdown(self) -> str:
        return f"## {self.heading}\n\n{self.text}" if self.heading else self.text


@dataclass(slots=True)
class GuidePage:
    """``name`` is the path below ``docs`` without its ending."""

    name: str
    title: str
    sections: Sequence[GuideSection]
    _html: Markup | None = field(default=None, repr=False)

    @property
    def address(self) -> str:
        return f"{ROOT}/{self.name}"


@dataclass(frozen=True, slots=True)
class GuideHit:
    """A place that matches a search; ``heading`` is "" for the whole page."""

    address: str
    title: str
    heading: str
    snippet: str = ""


class Guide:
    """All pages, read once."""

    def __init__(self, folder: Path) -> None:
        self.pages = {page.name: page for page in _read(folder)}

    def group(self, folder: str) -> list[GuidePage]:
        """The pages of a folder by title; for "" those to start with."""
        if not folder:
            return [self.pages[name] for name in START if name in self.pages]
        found = [page for name, page in self.pages.items() if name.startswith(f"{folder}/")]
        return sorted(found, key=lambda page: page.title.casefold())

    def html(self, page: GuidePage) -> Markup:
        """The page without its title. Rendering a long one takes a tenth of a second."""
        if page._html is None:
            parts = [to_html(section.markdown) for section in page.sections]
            page._html = self._linked(page.name, "".join(parts))
        return page._html

    def search(self, text: str, limit: int, *, titles: bool = False) -> list[GuideHit]:
        """The places with all words of ``text``, those in titles and headings first; with
        ``titles`` only these.
        """
        words = text.casefold().split()
        if not words:
            return []
        found: list[tuple[int, int, GuideHit]] = []
        for page in self.pages.values():
            title = page.title.casefold()
            if all(word in title for word in words):
                found.append((0, len(found), GuideHit(page.address, page.title, "")))
            for section in page.sections:
                heading = f"{title} {section.heading}".casefold()
                if section.heading and any(word in section.heading.casefold() for word in words):
                    rank = 1 if all(word in heading for word in words) else 2
                else:
                    rank = 2
                if rank == 2 and (titles or not _contains(f"{heading} {section.text}", words)):
                    continue
                at = f"{page.address}#{slug(section.heading)}" if section.heading else page.address
                snippet = "" if titles else _snippet(section.text, words)
                hit = GuideHit(at, page.title, section.heading, snippet)
                found.append((rank, len(found), hit))
        return [hit for _, _, hit in sorted(found, key=lambda item: item[:2])[:limit]]

    def _linked(self, name: str, text: str) -> Markup:
        """The HTML with anchors at headings, and with links of the console."""
        seen: Counter[str] = Counter()

        def heading(match: re.Match[str]) -> str:
            level, content = max(2, int(match[1]) - 1), match[2]  # the first is in the page's head
            anchor = slug(html.unescape(_TAG.sub("", content)))
            seen[anchor] += 1
            if seen[anchor] > 1:
                anchor = f"{anchor}-{seen[anchor] - 1}"
            return f'<h{level} id="{anchor}">{content}</h{level}>'

        def link(match: re.Match[str]) -> str:
            address, content = html.unescape(match[1]), match[2]
            target = self._target(name, address)
            if not target:
                return content
            return f'<a href="{html.escape(target)}">{content}</a>'

        text = _LINK.sub(link, _HEADING.sub(heading, text))
        text = text.replace("<table>", '<div class="region" tabindex="0"><table>')
        text = text.replace("</table>", "</table></div>").replace("<pre>", '<pre tabindex="0">')
        return Markup(text)  # noqa: S704 - sanitized before, and escaped above

    def _target(self, name: str, address: str) -> str:
        """The address in the console of a link in the page ``name``; "" for none."""
        if re.match(r"(?:https?|mailto):|#", address):
            return address
        path, _, anchor = address.partition("#")
        target = posixpath.normpath(posixpath.join(posixpath.dirname(name), path))
        target = target.removesuffix(".md")
        if target in _OF_API:
            return API
        if target == "index":
            return ROOT
        if target not in self.pages:
            return ""
        return f"{ROOT}/{target}#{anchor}" if anchor else f"{ROOT}/{target}"


def slug(heading: str) -> str:
    """The anchor of a heading, as repositories make it."""
    kept = re.sub(r"[^\w\- ]", "", heading.strip().casefold())
    return kept.replace(" ", "-")


@cache
def guide() -> Guide:
    """The pages of this release."""
    return Guide(assets() / "docs")


_AREAS = (
    ("/runs/", "how-to/why-a-run-failed"),
    ("/runs", "how-to/console"),
    ("/queue", "how-to/run-queue"),
    ("/tasks", "how-to/schedules"),
    ("/schedules", "how-to/schedules"),
    ("/dev/upload", "how-to/publish-and-review"),
    ("/dev/workers", "how-to/templates"),
    ("/docs", "reference/api"),
    ("/usage", "how-to/limits-and-prices"),
    ("/alerts", "how-to/alerts"),
    ("/settings/webhooks", "how-to/webhooks"),
    ("/settings/keys", "how-to/accounts-and-keys"),
    ("/settings", "how-to/users-and-sign-in"),
    ("/admin/review", "how-to/publish-and-review"),
    ("/admin/nodes", "how-to/nodes"),
    ("/admin/node-tokens", "how-to/nodes"),
    ("/admin/accounts", "how-to/accounts-and-keys"),
    ("/admin/plans", "how-to/limits-and-prices"),
    ("/admin/proxies", "how-to/upstream-proxies"),
    ("/admin/mail", "how-to/alerts"),
    ("/admin/storage", "how-to/retention"),
    ("/admin/versions", "how-to/upgrade"),
    ("/admin/settings", "reference/settings"),
    ("/admin", "how-to/monitoring"),
    ("/login", "how-to/users-and-sign-in"),
)
_TABS = (
    ("/secrets", "how-to/secrets"),
    ("/browser", "how-to/watch-a-browser"),
    ("/share", "how-to/share-a-run"),
    ("/api", "reference/clients"),
    ("/output", "reference/worker"),
)


def help_for(path: str) -> str:
    """The address of the page that helps with the console's page at ``path``."""
    if path.startswith(ROOT):
        return ROOT
    if path.startswith(("/w/", "/runs/")):
        for ending, name in _TABS:
            if path.endswith(ending):
                return f"{ROOT}/{name}"
    for start, name in _AREAS:
        if path.startswith(start):
            return f"{ROOT}/{name}"
    return f"{ROOT}/how-to/console"


def _read(folder: Path) -> Iterator[GuidePage]:
    paths = [folder / f"{name}.md" for name in START]
    for below in FOLDERS:
        paths += sorted((folder / below).glob("*.md"))
    for path in paths:
        name = path.relative_to(folder).with_suffix("").as_posix()
        if name in _OF_API or not path.is_file():
            continue
        title, _, text = path.read_text(encoding="utf-8").partition("\n")
        yield GuidePage(name, _plain(title.removeprefix("# ")), tuple(_sections(text)))


def _sections(text: str) -> Iterator[GuideSection]:
    heading, lines, fenced = "", list[str](), False
    for line in text.splitlines():
        if line.lstrip().startswith("```"):
            fenced = not fenced
        if line.startswith("## ") and not fenced:
            yield GuideSection(heading, "\n".join(lines))
            heading, lines = line.removeprefix("## ").strip(), []
        else:
            lines.append(line)
    yield GuideSection(heading, "\n".join(lines))


def _plain(text: str) -> str:
    return " ".join(_MARKS.sub("", text).split())


def _contains(text: str, words: Sequence[str]) -> bool:
    folded = text.casefold()
    return all(word in folded for word in words)


def _snippet(text: str, words: Sequence[str]) -> str:
    """The surroundings of the first word, as plain text."""
    plain = _plain(text)
    folded = plain.casefold()
    first = max(0, min((folded.find(word) for word in words if word in folded), default=0))
    start = max(0, first - _SNIPPET // 3)
    if start:
        start = plain.find(" ", start) + 1
    cut = plain[start : start + _SNIPPET]
    return f"{'…' if start else ''}{cut}{'…' if start + _SNIPPET < len(plain) else ''}"
