"""Merging of upserts: fields, order, digits; and the digest of key and value."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fyke.storage.sql.results import merge as module
from fyke.storage.sql.results.merge import digest, merge

DIGITS = b"1234567890123456789012345678901234567890"

# Lone surrogates, which JSON's escapes can carry; only high ones, so that none make a pair.
text = st.text(st.characters() | st.just("\ud800"), max_size=4)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=8,
)
objects = st.dictionaries(text, values, max_size=6)


@pytest.mark.parametrize(
    ("stored", "pushed", "merged"),
    [
        (b"{}", b"{}", b"{}"),
        (b'{"a":1}', b"{}", b'{"a":1}'),
        (b"{}", b'{"a":1}', b'{"a":1}'),
        (b'{"a":1,"b":2}', b'{"a":3,"c":4}', b'{"a":3,"b":2,"c":4}'),
        (b'{"a":{"x":1}}', b'{"a":{"y":2}}', b'{"a":{"y":2}}'),
        (b'{"n":%s,"f":1.10}' % DIGITS, b'{"g":1e400}', b'{"n":%s,"f":1.10,"g":1e400}' % DIGITS),
        (b'{"\\u0000":1}', b'{"":2}', b'{"\\u0000":1,"":2}'),
    ],
)
def test_new_fields_replace_old_ones(stored: bytes, pushed: bytes, merged: bytes) -> None:
    assert merge(stored, pushed) == merged


@pytest.mark.parametrize(
    ("stored", "pushed", "merged"),
    [
        (b'{"\\ud800":1,"n":1E400}', b'{"a":2.50}', b'{"\\ud800":1,"n":1E400,"a":2.50}'),
        (b'{"\\ud800":1}', b'{"\\ud800":"\\udfff"}', b'{"\\ud800":"\\udfff"}'),
        (b'{"a":"\\ud800","b":[{"c":",}\\"]"},2]}', b'{"a":1}', b'{"a":1,"b":[{"c":",}\\"]"},2]}'),
        (b"{}", b'{"a":"\\ud800"}', b'{"a":"\\ud800"}'),
    ],
)  # fmt: skip
def test_escaped_lone_surrogates_survive(stored: bytes, pushed: bytes, merged: bytes) -> None:
    assert merge(stored, pushed) == merged


@given(objects, objects, objects)
def test_merge_behaves_like_dict_update(
    stored: dict[str, object], pushed: dict[str, object], last: dict[str, object]
) -> None:
    merged = merge(*(json.dumps(row).encode() for row in (stored, pushed, last)))
    assert json.loads(merged) == stored | pushed | last
    assert list(json.loads(merged)) == list(stored | pushed | last)


@given(objects)
def test_both_implementations_agree(data: dict[str, object]) -> None:
    text = json.dumps(data).encode()
    members = module._members(text)
    assert {key: json.loads(value) for key, value in members.items()} == data


@given(text, text, text, text)
def test_digests_of_different_pairs_differ(key: str, value: str, key2: str, value2: str) -> None:
    same = (key, value) == (key2, value2)
    assert (digest(key, value) == digest(key2, value2)) is same


def test_a_digest_never_changes() -> None:
    """It is on disk: another digest would lose every row that can be upserted."""
    assert digest("id", "1").hex() == "bcd2ecdead52bcd0c1bb5c40dbb5ed12"
