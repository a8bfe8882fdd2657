"""Names, patterns of names, and labels."""

from __future__ import annotations

import pytest

from fyke.domain.nodes.rules import (
    is_local_only,
    join_options,
    label_problems,
    matches,
    name_problem,
    pattern_problem,
)


@pytest.mark.parametrize("name", ["a", "n1", "gpu-01.rack-2", "x" * 63])
def test_good_names(name: str) -> None:
    assert name_problem("name", name) is None


@pytest.mark.parametrize("name", ["", "-a", "a-", ".a", "A", "a b", "a/b", "ä", "a\n", "x" * 64])
def test_bad_names(name: str) -> None:
    problem = name_problem("pool", name)
    assert problem is not None and problem.field == "pool" and "63" in problem.rule


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [
        ("gpu-*", "gpu-1", True),
        ("gpu-*", "cpu-1", False),
        ("gpu-*", "my-gpu-1", False),
        ("*-eu", "n1-eu", True),
        ("n*-eu", "n1-us", False),
        ("n*-eu", "n-eu", True),
        ("n-*-eu", "n-eu", False),
        ("n.1", "n.1", True),
        ("n.1", "nx1", False),
        ("*", "anything", True),
    ],
)
def test_patterns(pattern: str, name: str, expected: bool) -> None:
    assert pattern_problem("name", pattern) is None
    assert matches(pattern, name) is expected


@pytest.mark.parametrize("pattern", ["", "gpu-?", "[a]", "A*", "a*b*", "x" * 64])
def test_bad_patterns(pattern: str) -> None:
    assert pattern_problem("name", pattern) is not None


@pytest.mark.parametrize("value", ["de", "De", "DEU", "eu-west", "D1"])
def test_a_region_is_one_that_a_run_can_name(value: str) -> None:
    assert label_problems("labels", {"region": "DE", "zone": value}) == []
    [problem] = label_problems("labels", {"region": value})
    assert problem.rule.endswith(f"must be two capital letters, not {value}")
    assert problem.remedy.startswith("as region=DE")


def test_labels() -> None:
    assert label_problems("labels", {"gpu": "no", "example.com/rack": "R-12.b"}) == []
    assert label_problems("labels", {f"l{n}": "x" for n in range(16)}) == []
    [problem] = label_problems("labels", {f"l{n}": "x" for n in range(17)})
    assert problem.sentence == "labels has 17 labels; the limit is 16"
    [problem] = label_problems("labels", {"a": "-x"})
    assert problem.sentence.endswith("and must begin and end with a letter or digit")
    for labels in (
        {"": "x"},
        {"A": "x"},
        {"a" * 64: "x"},
        {"a": ""},
        {"a": "x y"},
        {"a": "x" * 64},
    ):
        assert len(label_problems("labels", labels)) == 1


@pytest.mark.parametrize(
    ("pattern", "labels", "options"),
    [
        ("", {}, ""),
        ("n1", {}, " --name n1"),
        ("gpu-*", {"b": "2", "a": "1"}, " --name NAME --label a=1 --label b=2"),
    ],
)
def test_the_options_that_a_machine_needs_to_join(
    pattern: str, labels: dict[str, str], options: str
) -> None:
    assert join_options(pattern, labels) == options


@pytest.mark.parametrize(
    ("gateway", "expected"),
    [("127.0.0.1:8110", True), ("[::1]:1", True), ("localhost:8110", True), ("192.0.2.2:1", False)],
)
def test_a_gateway_that_only_its_machine_reaches(gateway: str, expected: bool) -> None:
    assert is_local_only(gateway) is expected
