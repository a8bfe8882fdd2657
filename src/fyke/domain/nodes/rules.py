"""Which names, pools and labels nodes may have."""

from __future__ import annotations

import re
from collections.abc import Mapping

from fyke.errors import Problem
from fyke.kit.node_names import MAX_NAME, label_rules, name_rule, region_rule
from fyke.model.placement import REGION_LABEL

_PATTERN = re.compile(r"[a-z0-9.-]*\*?[a-z0-9.-]*")
_LOOPBACK = ("127.0.0.1", "[::1]", "localhost")
_SHORT = re.compile(r"[0-9A-Za-z.+_-]{1,64}")


def name_problem(field: str, name: str) -> Problem | None:
    """What is wrong with the name of a node or of a pool."""
    rule = name_rule(name)
    return Problem(rule, field) if rule else None


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
    """What is wrong with labels of nodes. A region is one that a run can name: with another value
    its runs would go out through any machine.
    """
    found = [Problem(rule, field) for rule in label_rules(labels)]
    if rule := region_rule(labels):
        found.append(Problem(rule, field, f"as {REGION_LABEL}=DE, or give the label another name"))
    return found


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
