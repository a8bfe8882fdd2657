"""The documentation inside the console: tutorial, recipes, how-to and reference of this release.

They are the Markdown files of ``docs``, which the wheel contains. Links among them become links of
the console; those to other files of the repository become plain text. Screenshots are left out: the
wheel does not contain them, and the console itself is at hand. The operations of the API have pages
of their own (``docs/reference.py``).
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

from fyke.console.markdown import in_regions, to_html
from fyke.kit.assets import assets
from fyke.reasons import HintCode

ROOT = "/guide"
API = "/docs"
START = ("tutorial", "recipes", "glossary", "compatibility")
FOLDERS = ("recipes", "how-to", "reference")
_OF_API = frozenset({"reference/api-v2", "reference/api-fyke"})  # shown at ``API``
_ALIASES = {  # words of searches, and how the pages say them
    "2fa": "second factor",
    "actor": "apify",
    "actors": "apify",
    "beautifulsoup": "beautiful soup",
    "bs4": "beautiful soup",
    "deduplicate": "dedupe",
    "duplicates": "dedupe",
    "excel": "xlsx",
    "infinite": "scroll",
    "login": "log in",
    "mfa": "second factor",
    "proxy": "proxies",
    "retry": "retries",
    "rollback": "roll back",
    "signin": "log in",
    "two-factor": "second factor",
}
Term = tuple[str, ...]  # a word of a search, and how the pages say it
MAX_WORDS = 8  # different ones of a search
_SNIPPET = 160  # characters
_HEADING = re.compile(r"<h([2-6])>(.*?)</h\1>", re.S)
_LINK = re.compile(r'<a href="([^"]*)"[^>]*>(.*?)</a>', re.S)
_PICTURE = re.compile(r"<picture>.*?</picture>\n*", re.S)
_TAG = re.compile(r"<[^>]+>")
_MARKS = re.compile(r"[`*]")  # of Markdown, for plain text
_MARKED_LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")
_FENCE = re.compile(r"^\s*```.*$", re.M)
_RULE_OF_TABLE = re.compile(r"^[ \t]*\|[ \t|:-]*$", re.M)
_ROW_OF_TABLE = re.compile(r"^[ \t]*\|(.*)\|[ \t]*$", re.M)
_CELLS = re.compile(r"(?<!\\)\|")


@dataclass(frozen=True, slots=True)
class GuideSection:
    """A heading of the second or third level, "" before the first, and the Markdown below it."""

    heading: str
    text: str
    folded: str  # heading and text, for searches
    level: int = 2
    anchor: str = ""

    @property
    def markdown(self) -> str:
        marks = "#" * self.level
        return f"{marks} {self.heading}\n\n{self.text}" if self.heading else self.text


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
            linked = self._linked(page.name, "".join(parts))
            page._html = in_regions(linked, page.title)
        return page._html

    def search(self, text: str, limit: int, *, titles: bool = False) -> list[GuideHit]:
        """The places with all words of ``text``, of which the first ``MAX_WORDS`` count: those in
        titles and headings first, with ``titles`` only these, then those that have them most often.
        """
        words = (word.strip("/`\"'") or word for word in text.casefold().split())
        given = list(dict.fromkeys(words))[:MAX_WORDS]
        terms = [(word, _ALIASES.get(word, word)) for word in given]
        if not terms:
            return []
        found: list[tuple[int, int, GuidePage, GuideSection | None]] = []
        for page in self.pages.values():
            title = page.title.casefold()
            if _count(title, terms):
                found.append((0, 0, page, None))
            for section in page.sections:
                heading = section.heading.casefold()
                if _count(heading, terms):
                    found.append((1, 0, page, section))
                elif _count(f"{title} {heading}", terms) and any(
                    _count(heading, [term]) for term in terms
                ):
                    found.append((2, 0, page, section))
                elif not titles and (count := _count(f"{title} {section.folded}", terms)):
                    found.append((3, -count, page, section))
        best = sorted(found, key=lambda item: item[:2])[:limit]
        return [_hit(page, section, () if titles else terms) for _, _, page, section in best]

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
    ("/versions", "how-to/publish-and-review"),
    ("/changelog", "how-to/publish-and-review"),
    ("/tasks", "how-to/schedules"),
    ("/schedules", "how-to/schedules"),
    ("/traffic", "recipes/proxies"),
    ("/usage", "how-to/limits-and-prices"),
    ("/export", "reference/rows"),
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


_BROWSERS = "reference/worker#browsers"
_DEPENDENCIES = "reference/worker#dependencies"
_LIMITS = "how-to/limits-and-prices"
_HINTS = {
    HintCode.BLOCKED: "recipes/blocked",
    HintCode.ROWS_NOT_PUSHED: "reference/worker#the-sdk",
    HintCode.ELEMENT_MISSING: "recipes/playwright",
    HintCode.NO_BROWSER: "recipes/playwright",
    HintCode.UNDECLARED_SITES: "how-to/declared-sites#what-is-refused",
    HintCode.REFUSED_SITES: "how-to/declared-sites#what-is-refused",
    HintCode.BROWSER_BUSY: _BROWSERS,
    HintCode.BROWSER_FAILED: _BROWSERS,
    HintCode.BROWSER_OUT_OF_MEMORY: _BROWSERS,
    HintCode.BROWSER_NOT_DECLARED: _BROWSERS,
    HintCode.MODULE_MISSING: _DEPENDENCIES,
    HintCode.INSTALL_FAILED: _DEPENDENCIES,
    HintCode.PACKAGE_NOT_FOUND: _DEPENDENCIES,
    HintCode.REQUIREMENT_REFUSED: _DEPENDENCIES,
    HintCode.BUILDS_NOT_ALLOWED: _DEPENDENCIES,
    HintCode.TRAFFIC_CAP: _LIMITS,
    HintCode.CHARGE_CAP: _LIMITS,
    HintCode.BALANCE_USED_UP: _LIMITS,
    HintCode.OUT_OF_MEMORY: "reference/worker#limits",
    HintCode.TIMEOUT: "reference/worker#limits",
    HintCode.ROW_CAP: "reference/worker#limits",
    HintCode.DISK_CAP: "reference/worker#limits",
    HintCode.RUNNER_LOST: "how-to/nodes#when-a-machine-is-lost",
}


def help_for_hint(code: HintCode) -> str:
    """The address of the page that says more about a hint; "" for none."""
    name = _HINTS.get(code)
    return f"{ROOT}/{name}" if name else ""


def _read(folder: Path) -> Iterator[GuidePage]:
    paths = [folder / f"{name}.md" for name in START]
    for below in FOLDERS:
        paths += sorted((folder / below).glob("*.md"))
    for path in paths:
        name = path.relative_to(folder).with_suffix("").as_posix()
        if name in _OF_API or not path.is_file():
            continue
        title, _, text = path.read_text(encoding="utf-8").partition("\n")
        text = _PICTURE.sub("", text)
        yield GuidePage(name, _plain(title.removeprefix("# ")), tuple(_sections(text)))


def _sections(text: str) -> Iterator[GuideSection]:
    heading, level, lines, fenced = "", 2, list[str](), False
    seen: Counter[str] = Counter()
    for line in text.splitlines():
        if line.lstrip().startswith("```"):
            fenced = not fenced
        if line.startswith(("## ", "### ")) and not fenced:
            yield _section(heading, level, lines, seen)
            marks, _, rest = line.partition(" ")
            heading, level, lines = rest.strip(), len(marks), []
        else:
            lines.append(line)
    yield _section(heading, level, lines, seen)


def _section(heading: str, level: int, lines: list[str], seen: Counter[str]) -> GuideSection:
    """``seen``: the anchors of the page so far, which get a number when they come again."""
    text, anchor = "\n".join(lines), slug(_plain(heading))
    seen[anchor] += 1
    if seen[anchor] > 1:
        anchor = f"{anchor}-{seen[anchor] - 1}"
    return GuideSection(heading, text, f"{heading} {text}".casefold(), level, anchor)


def _plain(text: str) -> str:
    """The text without marks; the cells of a table are separated by semicolons."""
    text = _RULE_OF_TABLE.sub("", _FENCE.sub("", text))
    text = _ROW_OF_TABLE.sub(_row, text)
    return " ".join(_MARKS.sub("", _MARKED_LINK.sub(r"\1", text)).split())


def _row(match: re.Match[str]) -> str:
    cells = (cell.strip().replace("\\|", "|") for cell in _CELLS.split(match[1]))
    return "; ".join(filter(None, cells)) + "."


def _count(folded: str, terms: Sequence[Term]) -> int:
    """How often the text has the word that it has least often; 0 if it does not have them all."""
    return min(max(map(folded.count, term)) for term in terms)


def _hit(page: GuidePage, section: GuideSection | None, terms: Sequence[Term]) -> GuideHit:
    if section is None:
        return GuideHit(page.address, page.title, "")
    anchor = f"#{section.anchor}" if section.heading else ""
    snippet = _snippet(section.text, [word for term in terms for word in term]) if terms else ""
    return GuideHit(page.address + anchor, page.title, _plain(section.heading), snippet)


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
