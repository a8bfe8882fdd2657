"""Parses ``requirements.txt`` and ``package.json``, which may only have names and versions.

The platform installs the packages, so nothing in the file may choose where they come from or name
files of the machine: no URL, no path, no other file, no index. Options that the platform always
uses (binary packages only) are dropped; hashes are kept.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from fyke.domain.workers import jsontext
from fyke.reasons import Detail, DetailCode, Reason, ReasonCode, detail_sentence, reason_with_detail

_HEAD = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[([^\[\]]*)\])?")
_EXTRA = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_RELEASE = r"v?(\d+!)?\d+(\.\d+)"  # PEP 440, including alternative spellings
_SUFFIX = (
    r"([-_.]?(alpha|a|beta|b|preview|pre|rc|c)[-_.]?\d*)?"
    r"(-\d+|[-_.]?(post|rev|r)[-_.]?\d*)?([-_.]?dev[-_.]?\d*)?"
)
_LOCAL = r"(\+[a-z0-9]+([-_.][a-z0-9]+)*)?"
_VERSION = re.compile(
    rf"(==|!=){_RELEASE}*\.\*|(===?|!=){_RELEASE}*{_SUFFIX}{_LOCAL}"
    rf"|~={_RELEASE}+{_SUFFIX}|[<>]=?{_RELEASE}*{_SUFFIX}",
    re.IGNORECASE,
)
_MARKER = re.compile(r"[A-Za-z0-9_ .()<>=!~'\",*+-]+")
_HASH = re.compile(r"\s--hash[= ](sha(?:256|384|512):[0-9a-fA-F]+)")
_DROPPED = re.compile(r"--(prefer-binary|require-hashes|only-binary)([= ].*)?")
_PATH_SUFFIXES = (".whl", ".zip", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar", ".txt")
_REGISTRY_SPEC = re.compile(r"(npm:(@[\w.-]+/)?[\w.-]+(@|$))?[\w.\s<>=~^*|+-]*")
_ARCHIVE = re.compile(r"\.(tgz|tar\.gz|tar)$", re.IGNORECASE)
_NPM_NAME = re.compile(r"(?:@[\w.~!*'()-]+/)?(?![._])[\w.~!*'()-]+", re.ASCII)
_MAX_NPM_NAME = 214
_SECTIONS = ("dependencies", "optionalDependencies", "peerDependencies")
_PACKAGE = "package.json"
MAX_BYTES = 500_000


class BadRequirement(ValueError):
    """The file, or one line of it (1-based, 0 = the whole file), is refused for ``detail``."""

    def __init__(self, detail: Detail, line: int = 0, file: str = "requirements.txt") -> None:
        position = f"{file} line {line}" if line else file
        super().__init__(f"{position}: {detail_sentence(detail)}")
        self.detail, self.line, self.file = detail, line, file

    @property
    def reason(self) -> Reason:
        """The reason of a run that ends because its file is refused."""
        return reason_with_detail(
            ReasonCode.BAD_REQUIREMENT, self.detail, file=self.file, line=self.line or None
        )


@dataclass(frozen=True, slots=True)
class Requirement:
    """One package: its normalised name, and the line for the installer."""

    name: str
    text: str


def parse(text: str) -> list[Requirement]:
    """Return the packages in the order of the file. Raise ``BadRequirement``."""
    if len(text) > MAX_BYTES:
        raise BadRequirement(Detail.of(DetailCode.FILE_TOO_LARGE, max_bytes=MAX_BYTES))
    return [
        _requirement(number, line)
        for number, line in _logical_lines(text)
        if not _DROPPED.fullmatch(line)
    ]


def _logical_lines(text: str) -> list[tuple[int, str]]:
    """Join continued lines and drop comments; return each line with its number in the file."""
    lines: list[tuple[int, str]] = []
    joined, first = "", 0
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), start=1):
        first = first or number
        if line.endswith("\\"):
            joined += line[:-1] + " "
            continue
        bare = re.sub(r"(^|\s)#.*$", "", joined + line).strip()
        if bare:
            lines.append((first, bare))
        joined, first = "", 0
    if joined.strip():
        lines.append((first, joined.strip()))
    return lines


def _requirement(number: int, line: str) -> Requirement:
    hashes = _HASH.findall(line)
    bare = _HASH.sub("", line).strip()
    if bare.startswith("-"):
        option = bare.split()[0][:40]
        raise BadRequirement(Detail.of(DetailCode.OPTION_REFUSED, option=option), number)
    if "://" in bare or "@" in bare or bare.lower().startswith(("file:", "git+")):
        raise BadRequirement(Detail(DetailCode.ADDRESS_REFUSED), number)
    text = None if bare.lower().endswith(_PATH_SUFFIXES) else _normalise(bare)
    if text is None:
        raise BadRequirement(Detail.of(DetailCode.NOT_A_REQUIREMENT, text=bare[:60]), number)
    tail = "".join(f" --hash={value}" for value in sorted(map(str.lower, hashes)))
    name = re.split(r"[^a-z0-9-]", text, maxsplit=1)[0]
    return Requirement(name, text + tail)


def _normalise(line: str) -> str | None:
    """Return ``name[extras]versions ; marker`` in canonical form, None when invalid.

    Parsed in steps: spaces are allowed almost everywhere, and a single regular expression for that
    takes exponential time on a hostile line.
    """
    body, _, marker = line.partition(";")
    head = _HEAD.match(body)
    if head is None:
        return None
    name = re.sub(r"[-_.]+", "-", head[1]).lower()
    extras = sorted({word.strip().lower() for word in (head[2] or "").split(",") if word.strip()})
    versions = "".join(body[head.end() :].split())
    if versions.startswith("(") and versions.endswith(")"):
        versions = versions[1:-1]
    parts = [part for part in versions.split(",") if part]
    valid = all(map(_VERSION.fullmatch, parts)) and all(map(_EXTRA.fullmatch, extras))
    if not valid or (marker.strip() and not _MARKER.fullmatch(marker)):
        return None
    chosen = f"[{','.join(extras)}]" if extras else ""
    condition = f" ; {' '.join(marker.split())}" if marker.strip() else ""
    return f"{name}{chosen}{','.join(parts)}{condition}"


def parse_package(text: str) -> dict[str, dict[str, str]]:
    """Return the sections of a ``package.json`` that are installed. Raise ``BadRequirement``.

    Versions come from the registry: no URL, no git, no folder.
    """
    try:
        document = jsontext.loads(text)
    except jsontext.BadJson as error:
        detail = Detail.of(DetailCode.FILE_NOT_JSON, problem=error.rule)
        raise BadRequirement(detail, error.line, _PACKAGE) from None
    if not isinstance(document, dict):
        raise BadRequirement(Detail(DetailCode.ROOT_NOT_OBJECT), file=_PACKAGE)
    sections: dict[str, dict[str, str]] = {}
    for section in _SECTIONS:
        value = document.get(section) or {}
        if not isinstance(value, dict):
            detail = Detail.of(DetailCode.SECTION_NOT_OBJECT, section=section)
            raise BadRequirement(detail, file=_PACKAGE)
        for name, version in value.items():
            if len(name) > _MAX_NPM_NAME or not _NPM_NAME.fullmatch(name):
                detail = Detail.of(DetailCode.PACKAGE_NAME_INVALID, package=name[:60])
                raise BadRequirement(detail, file=_PACKAGE)
            check_registry_version(name, version)
        sections[section] = dict(value)
    return sections


def check_registry_version(name: str, version: object) -> None:
    """Raise ``BadRequirement`` unless an npm version refers to the registry."""
    valid = isinstance(version, str) and len(version) <= 200 and _REGISTRY_SPEC.fullmatch(version)
    if not valid or str(version).startswith(".") or _ARCHIVE.search(str(version)):
        detail = Detail.of(DetailCode.VERSION_REFUSED, package=name[:60], version=str(version)[:60])
        raise BadRequirement(detail, file=_PACKAGE)
