from __future__ import annotations

import re

from fyke.domain.accounts.keys import NewKey, digest, generate, has_key_form, shown_prefix


def test_a_key_has_the_documented_form_and_never_repeats():
    keys = {generate() for _ in range(2000)}
    assert len(keys) == 2000
    assert all(re.fullmatch(r"scraper_api_[0-7][0-9A-HJKMNP-TV-Z]{25}", k) for k in keys)
    assert all(has_key_form(k) for k in keys)


def test_every_character_of_a_key_is_drawn_from_the_whole_alphabet():
    keys = [generate()[len("scraper_api_") :] for _ in range(3000)]
    assert len({k[0] for k in keys}) == 8
    assert all(len({k[i] for k in keys}) == 32 for i in range(1, 26))


def test_other_texts_are_not_keys():
    good = generate()
    for text in (
        "",
        "x",
        good[:-1],
        good + "0",
        good.lower(),
        " " + good,
        good + "\n",
        "scraper_api_é",
    ):
        assert not has_key_form(text)


def test_the_digest_is_sha256_and_the_prefix_is_short():
    assert digest("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    key = generate()
    assert shown_prefix(key) == key[:16]


def test_the_text_of_a_new_key_is_not_in_its_representation():
    key = generate()
    assert key not in repr(NewKey("id", "name", 0, frozenset(), key))
