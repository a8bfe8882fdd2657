"""Signed links, without a server."""

from __future__ import annotations

import pytest

from fyke.api.files import EXPORT, LOG, Links
from fyke.api.network import Visit
from fyke.errors import NotFound

VISIT = Visit("1.2.3.4", "https://fyke.example")
LINKS = Links(b"s" * 32, 900)


def _parts(url: str) -> tuple[str, str]:
    token, _, name = url.removeprefix("https://fyke.example/files/").partition("/")
    return token, name


def test_a_link_carries_the_values_it_was_made_with() -> None:
    url = LINKS.url(VISIT, EXPORT, "R", "f.csv", format="csv", keys=["a", "é"], safe=True)
    link = LINKS.read(*_parts(url))
    assert (link.purpose, link.run_id, link.format) == (EXPORT, "R", "csv")
    assert (link.keys, link.safe, link.bom) == (("a", "é"), True, False)


@pytest.mark.parametrize("token", ["", ".", "a.b.c", "x" * 5000, "é.é.é", "..", "W10.aaaaaa.x"])
def test_an_unsigned_token_is_refused(token: str) -> None:
    with pytest.raises(NotFound):
        LINKS.read(token, "f.csv")


def test_every_character_counts() -> None:
    token, name = _parts(LINKS.url(VISIT, LOG, "R", "log.txt"))
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."
    for at, own in enumerate(token):
        for letter in letters.replace(own, "")[:: 1 if at == len(token) - 1 else 13]:
            with pytest.raises(NotFound):
                LINKS.read(token[:at] + letter + token[at + 1 :], name)


def test_the_name_and_the_secret_count() -> None:
    token, name = _parts(LINKS.url(VISIT, LOG, "R", "log.txt"))
    with pytest.raises(NotFound):
        LINKS.read(token, "other.txt")
    with pytest.raises(NotFound):
        Links(b"t" * 32, 900).read(token, name)
