"""Cached header blocks must give the same path as decoding."""

from __future__ import annotations

import hpack
from hypothesis import given
from hypothesis import strategies as st

from fyke.sdk.headers import PathReader

names = st.sampled_from([":path", "x", "te", "grpc-timeout"])
fields = st.lists(st.tuples(names, st.sampled_from(["/a", "/b", "1", "trailers"])), max_size=6)


@given(st.lists(fields, max_size=30), st.booleans(), st.integers(0, 29))
def test_paths_are_decoded_as_they_were_encoded(
    blocks: list[list[tuple[str, str]]], huffman: bool, resize_at: int
) -> None:
    encoder, reader = hpack.Encoder(), PathReader()
    for index, block in enumerate(blocks):
        if index == resize_at:
            encoder.header_table_size = 40
        path = next((value for name, value in block if name == ":path"), "")
        assert reader.path(encoder.encode(block, huffman=huffman)) == path


def test_a_repeated_block_is_looked_up() -> None:
    encoder, reader = hpack.Encoder(), PathReader()
    headers = [(":method", "POST"), (":path", "/a")]
    for _ in range(5):
        assert reader.path(encoder.encode(headers)) == "/a"
    assert len(reader._cache) == 1
    reader.skip(encoder.encode([("new", "field")]))
    assert not reader._cache
    assert reader.path(encoder.encode(headers)) == "/a"
