"""What ``requirements.txt`` and ``package.json`` may ask for: names and versions.

Installing is done by the platform, so nothing in the file may choose where packages come from or
point at files of the machine: no URL, no path, no other file, no index. Options that apply anyway
(binary packages only) are dropped; hashes are kept.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from fyke.domain.workers import jsontext

_HEAD = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[([^\[\]]*)\])?")
_EXTRA = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_VERSION = re.compile(r"(===|==|~=|!=|<=|>=|<|>)[A-Za-z0-9_.*+!-]+")
_MARKER = re.compile(r"[A-Za-z0-9_ .()<>=!~'\",*+-]+")
_HASH = re.compile(r"\s--hash[= ](sha(?:256|384|512):[0-9a-fA-F]+)")
_DROPPED = re.compile(r"--(prefer-binary|require-hashes|only-binary)([= ].*)?")
_PATH_SUFFIXES = (".whl", ".zip", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar", ".txt")
MAX_BYTES = 500_000


class BadRequirement(ValueError):
    """A line that is not honoured; says which, why, and what to write instead."""

    def __init__(self, line: int, rule: str, remedy: str, file: str = "requirements.txt") -> None:
        where = f"{file} line {line}" if line else file
        super().__init__(f"{where}: {rule}; {remedy}")
        self.line, self.rule, self.remedy = line, rule, remedy


@dataclass(frozen=True, slots=True)
class Requirement:
    """One package: its normalised name, and the line as it goes to the installer."""

    name: str
    text: str


def parse(text: str) -> list[Requirement]:
    """Return the packages in the order of the file. Raise ``BadRequirement``."""
    if len(text) > MAX_BYTES:
        raise BadRequirement(0, f"larger than {MAX_BYTES:,} characters", "list only packages")
    found = []
    for number, line in _logical_lines(text):
        if _DROPPED.fullmatch(line):
            continue
        found.append(_requirement(number, line))
    return found


def _logical_lines(text: str) -> list[tuple[int, str]]:
    """Join continued lines and drop comments; each comes with the number of its first line."""
    found: list[tuple[int, str]] = []
    joined, first = "", 0
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), start=1):
        first = first or number
        if line.endswith("\\"):
            joined += line[:-1] + " "
            continue
        bare = re.sub(r"(^|\s)#.*$", "", joined + line).strip()
        if bare:
            found.append((first, bare))
        joined, first = "", 0
    if joined.strip():
        found.append((first, joined.strip()))
    return found


def _requirement(number: int, line: str) -> Requirement:
    hashes = _HASH.findall(line)
    bare = _HASH.sub("", line).strip()
    if bare.startswith("-"):
        rule = f"the option {bare.split()[0][:40]!r} is not honoured"
        remedy = "list packages only; the registry is configured on the machine that runs Fyke"
        raise BadRequirement(number, rule, remedy)
    if "://" in bare or "@" in bare or bare.lower().startswith(("file:", "git+")):
        rule = "packages from a URL or a path are not installed"
        raise BadRequirement(number, rule, "name a package and a version, such as requests==2.32")
    text = None if bare.lower().endswith(_PATH_SUFFIXES) else _normalise(bare)
    if text is None:
        rule = f"{bare[:60]!r} is not a package with a version"
        raise BadRequirement(number, rule, "name a package and a version, such as requests==2.32")
    tail = "".join(f" --hash={value}" for value in sorted(map(str.lower, hashes)))
    name = re.split(r"[^a-z0-9-]", text, maxsplit=1)[0]
    return Requirement(name, text + tail)


def _normalise(line: str) -> str | None:
    """Return ``name[extras]versions ; marker`` in one spelling, None when it is not that.

    In steps rather than by one expression: spaces may stand almost everywhere, and an expression
    that allows for it takes exponential time on a line made for it.
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
    fits = all(map(_VERSION.fullmatch, parts)) and all(map(_EXTRA.fullmatch, extras))
    if not fits or (marker.strip() and not _MARKER.fullmatch(marker)):
        return None
    chosen = f"[{','.join(extras)}]" if extras else ""
    condition = f" ; {' '.join(marker.split())}" if marker.strip() else ""
    return f"{name}{chosen}{','.join(parts)}{condition}"


_REGISTRY_SPEC = re.compile(r"(npm:(@[\w.-]+/)?[\w.-]+(@|$))?[\w.\s<>=~^*|+-]*")
_ARCHIVE = re.compile(r"\.(tgz|tar\.gz|tar)$", re.IGNORECASE)
_SECTIONS = ("dependencies", "optionalDependencies", "peerDependencies")
_PACKAGE = "package.json"


def parse_package(text: str) -> dict[str, dict[str, str]]:
    """Return the sections of a ``package.json`` that are installed. Raise ``BadRequirement``.

    Like above, versions come from the registry: no URL, no git, no folder.
    """
    try:
        document = jsontext.loads(text)
    except jsontext.BadJson as error:
        raise BadRequirement(error.line, str(error), "correct the JSON", _PACKAGE) from None
    if not isinstance(document, dict):
        raise BadRequirement(0, "the root must be an object", "write {...}", _PACKAGE)
    found: dict[str, dict[str, str]] = {}
    for section in _SECTIONS:
        value = document.get(section) or {}
        if not isinstance(value, dict):
            rule = f"{section} must be an object"
            raise BadRequirement(0, rule, 'write {"name": "version"}', _PACKAGE)
        for name, version in value.items():
            check_registry_version(name, version)
        found[section] = dict(value)
    return found


def check_registry_version(name: str, version: object) -> None:
    """Raise ``BadRequirement`` unless an npm version asks for the registry."""
    fits = isinstance(version, str) and len(version) <= 200 and _REGISTRY_SPEC.fullmatch(version)
    if not fits or str(version).startswith(".") or _ARCHIVE.search(str(version)):
        rule = f"the version of {name[:60]!r} is not one of the registry: {str(version)[:60]!r}"
        raise BadRequirement(0, rule, 'name a version such as "^1.2.3"', _PACKAGE)
