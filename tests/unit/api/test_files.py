"""Signed download links."""

from __future__ import annotations

from hashlib import sha256

import pytest
from itsdangerous import URLSafeTimedSerializer

from fyke.api.files import EXPORT, LOG, Links
from fyke.api.network import Visit
from fyke.domain.accounts.link_issuers import Issuer, IssuerKind
from fyke.errors import NotFound

VISIT = Visit("1.2.3.4", "https://fyke.example")
ISSUER = Issuer(IssuerKind.SHARE, "S")
SECRET = b"s" * 32
LINKS = Links(SECRET, 900)


def _parts(url: str) -> tuple[str, str]:
    token, _, name = url.removeprefix("https://fyke.example/files/").partition("/")
    return token, name


def test_a_link_contains_its_values() -> None:
    url = LINKS.url(VISIT, ISSUER, EXPORT, "R", "f.csv", format="csv", keys=["a", "é"], safe=True)
    link = LINKS.read(*_parts(url))
    assert link.issuer == ISSUER
    assert (link.purpose, link.run_id, link.format) == (EXPORT, "R", "csv")
    assert (link.keys, link.safe, link.bom) == (("a", "é"), True, False)


@pytest.mark.parametrize("token", ["", ".", "a.b.c", "x" * 5000, "é.é.é", "..", "W10.aaaaaa.x"])
def test_an_unsigned_token_is_refused(token: str) -> None:
    with pytest.raises(NotFound):
        LINKS.read(token, "f.csv")


def test_a_token_with_any_changed_character_is_refused() -> None:
    token, name = _parts(LINKS.url(VISIT, ISSUER, LOG, "R", "log.txt"))
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."
    for index, character in enumerate(token):
        for letter in letters.replace(character, "")[:: 1 if index == len(token) - 1 else 13]:
            with pytest.raises(NotFound):
                LINKS.read(token[:index] + letter + token[index + 1 :], name)


def test_a_token_for_another_purpose_is_refused() -> None:
    """Other signatures of the same secret, as that of the console's notices, have other salts."""

    def token_of(salt: str) -> str:
        return URLSafeTimedSerializer(
            SECRET, salt=salt, signer_kwargs={"digest_method": sha256, "key_derivation": "hmac"}
        ).dumps([["share", "S"], LOG, "R", "log.txt", "", [], False, False])

    assert LINKS.read(token_of("fyke.download"), "log.txt").run_id == "R"
    for salt in ("fyke.console.notice", "itsdangerous", ""):
        with pytest.raises(NotFound):
            LINKS.read(token_of(salt), "log.txt")


def test_another_name_or_secret_is_refused() -> None:
    token, name = _parts(LINKS.url(VISIT, ISSUER, LOG, "R", "log.txt"))
    with pytest.raises(NotFound):
        LINKS.read(token, "other.txt")
    with pytest.raises(NotFound):
        Links(b"t" * 32, 900).read(token, name)
