"""Explanations of git's errors."""

from __future__ import annotations

import pytest

from fyke.git.address import parse_repository
from fyke.git.messages import explain
from fyke.git.process import GitRequest

REQUEST = GitRequest(parse_repository("https://git.example:8443/a/b"), "main", "")


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("fatal: unable to access 'x': CONNECT tunnel failed, response 403", "FYKE_GIT_ALLOW"),
        (
            "fatal: Received HTTP code 403 from proxy after CONNECT",
            "git.example: the name does not exist",
        ),
        ("fatal: CONNECT tunnel failed, response 502", "the host does not answer"),
        ("fatal: couldn't find remote ref main", "no branch, tag or commit 'main'"),
        ("fatal: repository 'x' not found", "no public repository at this address"),
        ("The requested URL returned error: 403", "no public repository at this address"),
        ("error: object " + "a" * 40 + ": hasDotgit: contains '.git'", "hasDotgit: contains"),
        ("fatal: index-pack failed", "the repository is damaged"),
        ("fatal: something new\x1b[31m", "git could not fetch it: fatal: something new[31m"),
        ("", "git could not fetch it: no reason"),
    ],
)
def test_errors_of_git_are_explained(output: str, message: str) -> None:
    assert message in explain(output, REQUEST)


def test_the_error_for_a_short_commit_has_a_hint() -> None:
    short = GitRequest(REQUEST.repository, "abc1234", "")
    assert "all 40 characters" in explain("fatal: couldn't find remote ref abc1234", short)


def test_the_egress_gets_host_and_port() -> None:
    assert REQUEST.repository.target == "git.example:8443"
    assert parse_repository("https://git.example/a").target == "git.example:443"
    assert parse_repository("https://git.example/a").authority == "git.example"
    assert parse_repository("https://[2001:db8::1]:8443/a").target == "[2001:db8::1]:8443"
