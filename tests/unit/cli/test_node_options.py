"""Values and names of the options of ``fyke node``."""

from __future__ import annotations

import pytest

from fyke.cli.errors import CommandFailed, Exit
from fyke.cli.node_options import drain_seconds_of, given, minutes_of, required, with_option


def test_an_option_may_be_absent_but_not_empty() -> None:
    assert (given("--pool", None), given("--pool", "eu")) == ("", "eu")
    for text in ("", " "):
        with pytest.raises(CommandFailed, match=r"^--pool: must not be empty$") as refused:
            given("--pool", text)
        assert refused.value.code is Exit.USAGE


def test_an_argument_is_not_empty() -> None:
    assert required("NAME", "n1") == "n1"
    with pytest.raises(CommandFailed, match=r"^NAME is missing$") as refused:
        required("NAME", " ")
    assert refused.value.code is Exit.USAGE


@pytest.mark.parametrize(
    ("problem", "text"),
    [
        ("name must have 1 to 63", "--name: must have 1 to 63"),
        ("labels: the name of a label has", "--label: the name of a label has"),
        ("token has another form", "token has another form"),
        ("pools must be few", "pools must be few"),
    ],
)
def test_a_problem_begins_with_the_option(problem: str, text: str) -> None:
    assert with_option(problem) == text


@pytest.mark.parametrize("text", ["1", "9s", "h", "1.5h", "1w", "-1h", "1 h"])
def test_other_times_are_refused(text: str) -> None:
    with pytest.raises(CommandFailed, match="such as 30m, 12h or 7d") as refused:
        minutes_of(text)
    assert refused.value.code is Exit.USAGE


@pytest.mark.parametrize("text", ["31d", "721h", "0m"])
def test_a_time_that_is_too_short_or_too_long_is_refused_in_the_units_of_the_option(
    text: str,
) -> None:
    with pytest.raises(CommandFailed, match=f"--expires {text}: must be 1m to 30d") as refused:
        minutes_of(text)
    assert refused.value.code is Exit.USAGE
    assert (minutes_of("30d"), minutes_of("1m")) == (43_200, 1)


def test_the_time_of_a_drain_has_units() -> None:
    texts = ("0", "600", "90s", "10m", "1h", "7d")
    assert [drain_seconds_of(text) for text in texts] == [0, 600, 90, 600, 3600, 604_800]
    for text in ("soon", "-1", "1.5h", "1w"):
        with pytest.raises(CommandFailed, match=f"--seconds {text}: must be seconds, or"):
            drain_seconds_of(text)
    with pytest.raises(CommandFailed, match=r"--seconds 8d: must be at most 604800 \(7d\)"):
        drain_seconds_of("8d")
