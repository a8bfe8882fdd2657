"""Which names nodes and pools may have, and which labels."""

from __future__ import annotations

import re
from collections.abc import Mapping

MAX_NAME = 63
MAX_LABELS = 16
_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")
_LABEL_NAME = re.compile(r"[a-z0-9]([a-z0-9./_-]*[a-z0-9])?")
_LABEL_VALUE = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
_REGION = re.compile(r"[A-Z]{2}")
_ENDS = "and must begin and end with a letter or digit"
_RULE = "must have 1 to 63 lower-case letters, digits, dots or hyphens, and begin and end with a "


def name_rule(name: str) -> str:
    """The rule that the name of a node or of a pool does not keep, "" if it keeps all."""
    if len(name) <= MAX_NAME and _NAME.fullmatch(name):
        return ""
    return f"{_RULE}letter or digit"


def label_rules(labels: Mapping[str, str]) -> list[str]:
    """The rules that labels do not keep."""
    if len(labels) > MAX_LABELS:
        return [f"has {len(labels)} labels; the limit is {MAX_LABELS}"]
    rules = []
    for name, value in labels.items():
        if len(name) > MAX_NAME or not _LABEL_NAME.fullmatch(name):
            rule = f"the name of a label has 1 to 63 lower-case letters, digits or . / _ -, {_ENDS}"
            rules.append(f"{rule}: {name[:MAX_NAME]!r}")
        elif len(value) > MAX_NAME or not _LABEL_VALUE.fullmatch(value):
            rule = f"the value of the label {name} has 1 to 63 letters, digits or . _ -, {_ENDS}"
            rules.append(rule)
    return rules


def checked_name(name: str) -> str:
    """The name, which may be empty. Raise ``ValueError`` with the rule that it does not keep."""
    if name and (rule := name_rule(name)):
        raise ValueError(rule)
    return name


def region_rule(labels: Mapping[str, str]) -> str:
    """The rule that the label "region" does not keep: its value is one that a run can name. With
    another one such runs would go out through any machine.
    """
    region = labels.get("region")
    if region is None or _REGION.fullmatch(region):
        return ""
    return f"the value of the label region must be two capital letters, not {region[:MAX_NAME]}"


def checked_labels(labels: dict[str, str]) -> dict[str, str]:
    """The labels. Raise ``ValueError`` with a rule that they do not keep."""
    if rules := label_rules(labels):
        raise ValueError(rules[0])
    if rule := region_rule(labels):
        raise ValueError(rule)
    return labels
