"""Options and names of ``fyke node``: what is given, and errors that name the option."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated

import typer

from fyke.cli.errors import CommandFailed, Exit

LabelOption = Annotated[
    list[str] | None,
    typer.Option("--label", help="A label of the node; may be repeated.", metavar="NAME=VALUE"),
]
_TIME = re.compile(r"([0-9]{1,6})([smhd]?)")
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}
_OPTIONS = {
    "name": "--name",
    "pool": "--pool",
    "names": "--names",
    "labels": "--label",
    "uses": "--uses",
    "minutes": "--expires",
}
_PROBLEM = re.compile(rf"({'|'.join(_OPTIONS)})(?::| (?=must |is |has )) ?")


def given(option: str, text: str | None) -> str:
    """The value of an option, "" if it is not given. Raises ``CommandFailed`` if it is empty, such
    as that of a variable of the shell that is not set.
    """
    if text is not None and not text.strip():
        raise CommandFailed(f"{option}: must not be empty", Exit.USAGE)
    return text or ""


def required(argument: str, text: str) -> str:
    """The value of an argument. Raises ``CommandFailed`` if it is empty."""
    if not text.strip():
        raise CommandFailed(f"{argument} is missing", Exit.USAGE)
    return text


def with_option(problem: str) -> str:
    """A problem of a request, which begins with the name of a field, with the option instead."""
    found = _PROBLEM.match(problem)
    return f"{_OPTIONS[found[1]]}: {problem[found.end() :]}" if found else problem


def invalid_options(problems: Iterable[str]) -> CommandFailed:
    """The error for the problems of a request, one on each line."""
    return CommandFailed("\n  ".join(map(with_option, problems)), Exit.USAGE)


def labels_of(options: list[str] | None) -> dict[str, str]:
    """The labels of ``--label``. Raises ``CommandFailed``."""
    labels = {}
    for text in options or ():
        name, sign, value = text.partition("=")
        if not sign:
            raise CommandFailed(f"--label {text}: must be NAME=VALUE, such as disk=ssd", Exit.USAGE)
        if name in labels:
            raise CommandFailed(f"--label {text}: {name} has a value already", Exit.USAGE)
        labels[name] = value
    return labels


def minutes_of(text: str) -> int:
    """The minutes of ``--expires``. Raises ``CommandFailed``."""
    from fyke.domain.nodes.tokens import MAX_MINUTES

    given("--expires", text)
    found = _TIME.fullmatch(text)
    if found is None or found[2] in ("", "s"):
        raise CommandFailed(
            f"--expires {text}: must be minutes, hours or days, such as 30m, 12h or 7d", Exit.USAGE
        )
    minutes = _seconds(found) // 60
    if not 1 <= minutes <= MAX_MINUTES:
        raise CommandFailed(f"--expires {text}: must be 1m to {MAX_MINUTES // 1440}d", Exit.USAGE)
    return minutes


def drain_seconds_of(text: str) -> int:
    """The seconds of ``--seconds``. Raises ``CommandFailed``."""
    from fyke.domain.nodes.control import MAX_DRAIN_SECONDS

    given("--seconds", text)
    found = _TIME.fullmatch(text)
    if found is None:
        raise CommandFailed(
            f"--seconds {text}: must be seconds, or minutes, hours or days, such as 600, 10m, 1h "
            "or 1d",
            Exit.USAGE,
        )
    seconds = _seconds(found)
    if seconds > MAX_DRAIN_SECONDS:
        longest = f"{MAX_DRAIN_SECONDS} ({MAX_DRAIN_SECONDS // 86_400}d)"
        raise CommandFailed(f"--seconds {text}: must be at most {longest}", Exit.USAGE)
    return seconds


def label_text(labels: dict[str, str]) -> str:
    return " ".join(f"{name}={value}" for name, value in sorted(labels.items()))


def _seconds(found: re.Match[str]) -> int:
    return int(found[1]) * _SECONDS[found[2]]
