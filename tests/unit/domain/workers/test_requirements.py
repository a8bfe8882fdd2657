from __future__ import annotations

import json

import pytest

from fyke.domain.workers.requirements import BadRequirement, parse, parse_package
from fyke.reasons import DetailCode, remedy_of
from support.hangs import no_hang


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", []),
        ("# only\n\n  # comments\n", []),
        ("\ufeffRequests\n", ["requests"]),
        ("a_b.C == 1.0 , <2", ["a-b-c==1.0,<2"]),
        ("x[Socks, a]>=1", ["x[a,socks]>=1"]),
        ("x (>=1)", ["x>=1"]),
        ("x~=1.2 ; python_version  < '3.9'  # why", ["x~=1.2 ; python_version < '3.9'"]),
        (
            "x==1 \\\n  --hash=sha256:BB \\\n  --hash=sha256:aa\ny",
            ["x==1 --hash=sha256:aa --hash=sha256:bb", "y"],
        ),
        ("--prefer-binary\n--require-hashes\n--only-binary=:all:\nx", ["x"]),
        ("x\\", ["x"]),
        ("x===1.0,!=1.2.*", ["x===1.0,!=1.2.*"]),
        ("x==v1!2.0RC1.post2.dev3+Local.1", ["x==v1!2.0RC1.post2.dev3+Local.1"]),
        ("x==1.0-1,>=2.0_alpha", ["x==1.0-1,>=2.0_alpha"]),
    ],
)
def test_valid_requirements_are_accepted(text: str, lines: list[str]) -> None:
    assert [requirement.text for requirement in parse(text)] == lines


def test_names_are_normalised() -> None:
    assert [r.name for r in parse("Proto_Buf>=1\nx[a]==2\ny ; python_version>'3'")] == [
        "proto-buf",
        "x",
        "y",
    ]


@pytest.mark.parametrize(
    "line",
    ["-r x", "--index-url x", "-e .", "x @ https://h/x", "http://h/x", "file:x", "git+ssh://x", ".",
     "/x", "x.whl", "x.tar.gz", "x==", "x=1", "x 1", "x[a", "x[;]", "$(x)", "x ; a@b", "!x",
     "x >1 $", "x===banana", "x==1.x", "x>=1.*", "x~=latest", "x~=1", "x==1.0-beta-gamma",
     "x<1+local", "x===1.*", "x==1.2a1.*"],
)  # fmt: skip
def test_invalid_requirements_are_refused(line: str) -> None:
    with pytest.raises(BadRequirement) as caught:
        parse(f"good\n{line}")
    assert caught.value.line == 2
    assert "requirements.txt line 2" in str(caught.value)
    assert remedy_of(caught.value.detail)


def test_hostile_files_are_refused_in_bounded_time() -> None:
    with no_hang():
        for text in (
            "x" + " >=1  " * 20_000 + "$",
            "a" * 400_000 + "$",
            "x\\\n" * 100_000,
            "[" * 90_000,
        ):
            with pytest.raises(BadRequirement):
                parse(text)
        with pytest.raises(BadRequirement, match="larger"):
            parse("x\n" * 300_000)


def test_installed_sections_of_package_json_are_read() -> None:
    found = parse_package('{"dependencies": {"a": "^1 || >=2.0.0-x"}, "devDependencies": {"b": 1}}')
    assert found["dependencies"] == {"a": "^1 || >=2.0.0-x"}
    assert set(found) == {"dependencies", "optionalDependencies", "peerDependencies"}


@pytest.mark.parametrize("name", ["", " ", "../../etc", ".bin", "_x", "a/b", "@a/", "é", "x" * 215])
def test_a_name_that_npm_refuses_is_named(name: str) -> None:
    text = json.dumps({"dependencies": {"@types/node": "1", "JSONStream": "1", name: "1"}})
    with pytest.raises(BadRequirement, match="is not the name of a package") as refused:
        parse_package(text)
    assert refused.value.detail.code is DetailCode.PACKAGE_NAME_INVALID


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"dependencies": [1]}', '{"dependencies": {"a": "x/y"}}']
)
def test_invalid_package_files_are_refused(text: str) -> None:
    with pytest.raises(BadRequirement, match=r"package\.json"):
        parse_package(text)
