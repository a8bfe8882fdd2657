"""Which names, pools and labels nodes may have."""

from __future__ import annotations

import re
from collections.abc import Mapping

from fyke.errors import Problem

MAX_NAME = 63
MAX_LABELS = 16
_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")
_PATTERN = re.compile(r"[a-z0-9.-]*\*?[a-z0-9.-]*")
_LABEL_NAME = re.compile(r"[a-z0-9]([a-z0-9./_-]*[a-z0-9])?")
_LABEL_VALUE = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
_LOOPBACK = ("127.0.0.1", "[::1]", "localhost")
_SHORT = re.compile(r"[0-9A-Za-z.+_-]{1,64}")
_ENDS = "and must begin and end with a letter or digit"
_RULE = "must have 1 to 63 lower-case letters, digits, dots or hyphens, and begin and end with a "


def name_problem(field: str, name: str) -> Problem | None:
    """What is wrong with the name of a node or of a pool."""
    if len(name) <= MAX_NAME and _NAME.fullmatch(name):
        return None
    return Problem(f"{_RULE}letter or digit", field)


def pattern_problem(field: str, pattern: str) -> Problem | None:
    """What is wrong with a pattern of names."""
    if 0 < len(pattern) <= MAX_NAME and _PATTERN.fullmatch(pattern):
        return None
    rule = "must have 1 to 63 lower-case letters, digits, dots, hyphens, and at most one asterisk"
    return Problem(rule, field, "the asterisk stands for any characters, as in gpu-*")


def matches(pattern: str, name: str) -> bool:
    """Whether a name has the form of a pattern: is equal to it, or begins and ends as it says
    before and after its asterisk. Names come from strangers; this takes linear time.
    """
    start, asterisk, end = pattern.partition("*")
    if not asterisk:
        return name == pattern
    is_long_enough = len(name) >= len(start) + len(end)
    return is_long_enough and name.startswith(start) and name.endswith(end)


def label_problems(field: str, labels: Mapping[str, str]) -> list[Problem]:
    """What is wrong with labels."""
    if len(labels) > MAX_LABELS:
        return [Problem(f"has {len(labels)} labels; the limit is {MAX_LABELS}", field)]
    problems = []
    for name, value in labels.items():
        if len(name) > MAX_NAME or not _LABEL_NAME.fullmatch(name):
            rule = f"the name of a label has 1 to 63 lower-case letters, digits or . / _ -, {_ENDS}"
            problems.append(Problem(f"{rule}: {name[:MAX_NAME]!r}", field))
        elif len(value) > MAX_NAME or not _LABEL_VALUE.fullmatch(value):
            rule = f"the value of the label {name} has 1 to 63 letters, digits or . _ -, {_ENDS}"
            problems.append(Problem(rule, field))
    return problems


def is_short(text: str) -> bool:
    """Whether it may be the id or the release of a runner."""
    return _SHORT.fullmatch(text) is not None


def join_options(name_pattern: str, labels: Mapping[str, str]) -> str:
    """The options of ``fyke node join`` that a machine needs for a token with these conditions,
    each with a space before it.
    """
    name = "NAME" if "*" in name_pattern else name_pattern
    options = [f"--name {name}"] if name else []
    options += [f"--label {label}={value}" for label, value in sorted(labels.items())]
    return "".join(f" {option}" for option in options)


def is_local_only(gateway: str) -> bool:
    """Whether no other machine reaches a gateway at this ``host:port``."""
    return gateway.rpartition(":")[0] in _LOOPBACK
