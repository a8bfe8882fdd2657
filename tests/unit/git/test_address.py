"""Addresses, revisions and folders of repositories."""

from __future__ import annotations

import pytest

from fyke.errors import InvalidRequest
from fyke.git.address import parse_folder, parse_ref, parse_repository
from fyke.kit.addresses import AddressRules
from fyke.model.upload import GitSource


def test_an_address_is_normalized() -> None:
    assert parse_repository("https://GitHub.com:443/a/b.git").url == "https://github.com/a/b.git"
    assert parse_repository(" https://git.example:8443/x ").url == "https://git.example:8443/x"
    assert parse_repository("https://[2606:4700::1]/x").url == "https://[2606:4700::1]/x"


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("", "required"),
        ("git@github.com:a/b.git", "SSH is not supported"),
        ("ssh://git@github.com/a/b", "SSH is not supported"),
        ("git+ssh://github.com/a/b", "SSH is not supported"),
        ("http://github.com/a/b", "must begin with https://"),
        ("git://github.com/a/b", "must begin with https://"),
        ("file:///etc", "must begin with https://"),
        ("ext::sh -c id", "must begin with https://"),
        ("--upload-pack=id", "must begin with https://"),
        ("https://ada:token@github.com/a/b", "name or a token"),
        ("https://github.com/a/b?x=1", "no '\\?'"),
        ("https://github.com/a/b#main", "no '\\?'"),
        ("https://github.com", "after the host"),
        ("https://github.com/", "after the host"),
        ("https://github.com/a/../b", "after the host"),
        ("https://github.com:0/a", "not an address"),
        ("https://github.com:99999/a", "not an address"),
        ("https://github.com/a b", "after the host"),
        ("https://github.com/a\nb", "not an address"),
        ("https://github.com/" + "a" * 2000, "required"),
    ],
)
def test_invalid_addresses_are_refused(url: str, message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        parse_repository(url)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "localhost.",
        "LOCALHOST",
        "a.localhost",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::127.0.0.1]",
        "[fd00::1]",
        "[fe80::1%25eth0]",
        "[64:ff9b::7f00:1]",
        "169.254.169.254",
        "192.0.0.192",
        "168.63.129.16",
        "10.0.0.1",
        "0.0.0.0",
        "\uff11\uff12\uff17.0.0.1",
        "127。0。0。1",
    ],
)
def test_every_spelling_of_an_internal_address_is_refused(host: str) -> None:
    """Either it is not a valid host, or the rules for addresses refuse it."""
    try:
        repository = parse_repository(f"https://{host}/a/b")
    except InvalidRequest:
        return
    answers = ("127.0.0.1",) if isinstance(repository.host, str) else (repository.host,)
    assert AddressRules().select(repository.host, answers, repository.port) == []


@pytest.mark.parametrize("ref", ["main", "v1.2", "feature/x", "a" * 40, "release-2026_01+b"])
def test_valid_revisions_are_accepted(ref: str) -> None:
    assert parse_ref(GitSource("", f" {ref} ")) == ref
    assert parse_ref(GitSource("")) == "HEAD"


@pytest.mark.parametrize(
    "ref", ["-x", "--upload-pack=id", "a..b", "a b", "a:b", "@{1}", "a~1", "a^", "x.lock", "*", "é"]
)
def test_invalid_revisions_are_refused(ref: str) -> None:
    with pytest.raises(InvalidRequest, match="branch or a tag"):
        parse_ref(GitSource("", ref))


def test_folders_must_be_inside_the_repository() -> None:
    assert parse_folder(GitSource("", "", "/workers/prices/")) == "workers/prices"
    assert parse_folder(GitSource("", "")) == ""
    for folder in ("../x", "a/../b", ".git", "a/.GIT/b", "a//b", "a\nb", "-x", "a:b"):
        with pytest.raises(InvalidRequest, match="folder must be"):
            parse_folder(GitSource("", "", folder))
