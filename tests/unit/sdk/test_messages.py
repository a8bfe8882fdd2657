"""Our wire format compared with protobuf's implementation."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import support.sdk_server  # noqa: F401 - puts the SDK's folder on the path
from fyke.model.results import Header
from fyke.sdk import messages
from fyke.sdk.messages import MalformedMessage, read_text
from support.flooder import varint

import sdk_pb2  # isort: skip
from support.examples import examples


def read_all_headers(message: bytes) -> list[Header]:
    return list(messages.read_headers(message))


@given(st.text())
def test_texts_read_as_protobuf_writes_them(text: str) -> None:
    assert messages.read_text(sdk_pb2.Data(jsonString=text).SerializeToString()) == text.encode()
    assert messages.read_text(sdk_pb2.LogBody(log=text).SerializeToString()) == text.encode()


@given(st.lists(st.tuples(st.text(), st.text(), st.text())))
def test_headers_read_as_protobuf_writes_them(items: list[tuple[str, str, str]]) -> None:
    sent = [sdk_pb2.TableHeaderItem(label=a, key=b, format=c) for a, b, c in items]
    read = list(messages.read_headers(sdk_pb2.TableHeader(headers=sent).SerializeToString()))
    clean = [[text.replace("\x00", "\ufffd") for text in item] for item in items]
    assert read == [Header(*item) for item in clean]


INT64 = st.integers(-(2**63), 2**63 - 1)


@given(INT64, INT64, st.text())
def test_a_progress_reads_as_protobuf_writes_it(done: int, total: int, text: str) -> None:
    sent = sdk_pb2.ProgressBody(done=done, total=total, text=text).SerializeToString()
    assert messages.read_progress(sent) == (done, total, text.replace("\x00", "\ufffd"))


@pytest.mark.parametrize(
    ("message", "read"),
    [
        (b"", (0, 0, "")),
        (b"\x08\x01\x08\x02\x1a\x01a\x1a\x01b", (2, 0, "b")),  # the last one counts
        (b"\x0a\x01a\x18\x05\x20\x07\x22\x01x", (0, 0, "")),  # other wire types, other fields
    ],
)
def test_unusual_encodings_of_a_progress_are_read(
    message: bytes, read: tuple[int, int, str]
) -> None:
    assert messages.read_progress(message) == read


@given(st.integers(0, 2**31 - 1), st.text())
def test_protobuf_reads_what_we_write(code: int, text: str) -> None:
    response = sdk_pb2.Response.FromString(messages.write_response(code, text))
    assert (response.code, response.message) == (code, text)
    answer = sdk_pb2.InputJSONStringResponse.FromString(messages.write_input(text.encode()))
    assert (answer.code, answer.jsonString) == (0, text)


def test_a_lone_surrogate_in_a_response_is_replaced() -> None:
    assert sdk_pb2.Response.FromString(messages.write_response(1, "\ud800")).message == "?"


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (b"", b""),
        (b"\x0a\x01a\x0a\x01b", b"b"),  # the last one counts
        (b"\x0a\x81\x00a", b"a"),  # a length written longer than need be
        (b"\x08\x05\x0a\x01a", b"a"),  # field 1 of another wire type is unknown
        (b"\x11" + b"x" * 8 + b"\x1d" + b"y" * 4 + b"\x0a\x01a\x20\x80\x01", b"a"),
        (b"\xfa\xff\xff\xff\x0f\x02zz\x0a\x01a", b"a"),  # the highest field number
    ],
)
def test_unusual_encodings_of_a_text_are_read(message: bytes, text: bytes) -> None:
    assert messages.read_text(message) == text


@pytest.mark.parametrize(
    "message",
    [
        b"\x0a",
        b"\x0a\x05abc",
        b"\x0a" + b"\xff" * 11,
        b"\x0a" + b"\xff" * 9 + b"\x01",  # a length of 2^64-1
        b"\x0b\x0c",  # groups
        b"\x0e",
        b"\x00\x00",  # field number 0
        b"\x11abc",
        b"\x15abc",
        b"\x08\x80",
        b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
    ],
)
def test_malformed_messages_are_refused(message: bytes) -> None:
    with pytest.raises(MalformedMessage):
        messages.read_text(message)


def test_too_many_headers_are_refused() -> None:
    full = b"\x0a\x00" * messages.MAX_HEADERS
    assert len(list(messages.read_headers(full))) == messages.MAX_HEADERS
    with pytest.raises(MalformedMessage, match="10000"):
        list(messages.read_headers(full + b"\x0a\x00"))


@pytest.mark.parametrize("field", [b"\x10\x00", b"\x0a\x00", b"\x12\x00", b"\x15abcd"])
def test_a_message_with_very_many_fields_is_refused(field: bytes) -> None:
    """Reading 16 MiB of them would block all Workers for seconds."""
    for read in (read_text, read_all_headers):
        with pytest.raises(MalformedMessage, match="more than"):
            read(field * 20_000)
    item = field * 200
    with pytest.raises(MalformedMessage, match="more than 100 fields"):
        read_all_headers(b"\x0a" + varint(len(item)) + item)
    assert read_text(b"\x10\x00" * 99 + b"\x0a\x01x") == b"x"


def read_all(message: bytes) -> None:
    for read in (read_text, read_all_headers, messages.read_progress):
        try:
            read(message)
        except MalformedMessage as error:
            assert str(error)


@examples(500, deadline=2000)
@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_malformed(message: bytes) -> None:
    read_all(message)


@pytest.mark.long
@settings(max_examples=10_000, deadline=None)
@given(
    st.binary(max_size=300)
    | st.lists(st.sampled_from([b"\x0a", b"\x12", b"\xff", b"\x01", b"a" * 9])).map(b"".join)
)
def test_any_bytes_are_read_or_malformed_ten_thousand_times(message: bytes) -> None:
    read_all(message)
