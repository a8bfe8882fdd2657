"""Frames: cut, joined, in lanes, and refused when a rule is broken."""

from __future__ import annotations

import struct

import pytest

from fyke.kit.stream_frames import (
    MAX_BODY,
    MAX_MESSAGE,
    MORE,
    OVERHEAD,
    BadStreamFrame,
    FrameReader,
    Lanes,
    MessageKind,
    SendLane,
    StreamMessage,
)

REQUEST, NOTICE, ANSWER = MessageKind.REQUEST, MessageKind.NOTICE, MessageKind.ANSWER


def frame(kind: int, number: int, body: bytes = b"") -> bytes:
    return struct.pack(">IBQ", len(body), kind, number) + body


def sent(*messages: tuple[SendLane, MessageKind, int, bytes]) -> bytes:
    lanes = Lanes()
    for message in messages:
        lanes.put(*message)
    data = lanes.take(2 * MAX_MESSAGE)
    assert not lanes
    return data


def test_messages_of_any_length_arrive_however_they_are_split() -> None:
    lengths = (0, 1, MAX_BODY - 1, MAX_BODY, MAX_BODY + 1, 3 * MAX_BODY)
    bodies = [bytes([n]) * length for n, length in enumerate(lengths)]
    data = sent(*((SendLane.BULK, REQUEST, n, body) for n, body in enumerate(bodies)))
    expected = [StreamMessage(REQUEST, n, body) for n, body in enumerate(bodies)]
    for size in (1000, 70_000, len(data)):
        reader = FrameReader()
        parts = [data[at : at + size] for at in range(0, len(data), size)]
        assert [message for part in parts for message in reader.feed(part)] == expected
        assert reader.size == 0


def test_single_bytes_are_enough() -> None:
    data = frame(1, 7, b"abc") + frame(5, 2**64 - 1) + frame(2, 7)
    reader = FrameReader()
    found = [m for byte in data for m in reader.feed(bytes([byte]))]
    assert found == [
        StreamMessage(REQUEST, 7, b"abc"),
        StreamMessage(MessageKind.PING, 2**64 - 1, b""),
        StreamMessage(MessageKind.ANSWER, 7, b""),
    ]


def test_the_largest_message_passes_and_a_larger_one_does_not() -> None:
    largest = bytes(MAX_MESSAGE)
    reader = FrameReader()
    [message] = reader.feed(sent((SendLane.BULK, REQUEST, 1, largest)))
    assert message.body == largest
    with pytest.raises(ValueError, match="the limit is"):
        Lanes().put(SendLane.BULK, REQUEST, 1, bytes(MAX_MESSAGE + 1))
    part = frame(REQUEST | MORE, 1, bytes(MAX_BODY))
    reader = FrameReader()
    for _ in range(MAX_MESSAGE // MAX_BODY - 1):
        assert reader.feed(part) == []
    assert reader.size == MAX_MESSAGE - MAX_BODY
    with pytest.raises(BadStreamFrame, match="a message has more than"):
        reader.feed(part)


def test_messages_of_strangers_are_small() -> None:
    reader = FrameReader(most=MAX_BODY)
    assert len(reader.feed(frame(REQUEST, 1, bytes(MAX_BODY)))) == 1
    with pytest.raises(BadStreamFrame, match="a message has more than 65536 bytes"):
        reader.feed(frame(REQUEST | MORE, 2, bytes(MAX_BODY)))


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (frame(REQUEST, 1, bytes(MAX_BODY + 1))[:13], "a frame has 65537 bytes"),
        (frame(0, 1), "no frame of kind 0"),
        (frame(7, 1), "no frame of kind 7"),
        (frame(REQUEST | MORE, 1, b"short"), "not the last one is not full"),
        (frame(MessageKind.PING, 1, b"x"), "a ping has a body"),
        (b"".join(frame(REQUEST | MORE, n, bytes(MAX_BODY)) for n in range(5)), "more than 4"),
    ],
)
def test_a_broken_rule_is_named(data: bytes, problem: str) -> None:
    for size in (7, len(data)):
        reader = FrameReader()
        with pytest.raises(BadStreamFrame, match=problem):
            for at in range(0, len(data), size):
                reader.feed(data[at : at + size])


def numbers(data: bytes) -> list[int]:
    """The numbers of frames, in their order."""
    found, at = [], 0
    while at < len(data):
        length, _, number = struct.unpack_from(">IBQ", data, at)
        found.append(number)
        at += 13 + length
    return found


def test_rows_take_turns_with_other_messages_and_urgent_ones_go_first() -> None:
    lanes = Lanes()
    lanes.put(SendLane.BULK, REQUEST, 1, bytes(3 * MAX_BODY))
    lanes.put(SendLane.CONTROL, REQUEST, 2, bytes(2 * MAX_BODY))
    lanes.put(SendLane.CONTROL, NOTICE, 3)
    assert numbers(lanes.take(1)) == [2]
    lanes.put(SendLane.URGENT, REQUEST, 4, bytes(MAX_BODY + 1))
    assert numbers(lanes.take(10 * MAX_BODY)) == [4, 4, 1, 2, 1, 3, 1]
    assert lanes.size == 0


def test_pictures_are_sent_while_nothing_else_waits() -> None:
    lanes = Lanes()
    lanes.put(SendLane.VIEWS, ANSWER, 1, bytes(2 * MAX_BODY))
    assert numbers(lanes.take(1)) == [1]
    lanes.put(SendLane.BULK, REQUEST, 2, bytes(MAX_BODY))
    lanes.put(SendLane.CONTROL, REQUEST, 3, b"report")
    lanes.put(SendLane.URGENT, REQUEST, 4, b"renew")
    assert numbers(lanes.take(10 * MAX_BODY)) == [4, 3, 2, 1]
    assert not lanes


def test_answers_may_have_a_limit_of_their_own() -> None:
    answer = sent((SendLane.VIEWS, ANSWER, 1, bytes(3 * MAX_BODY)))
    assert len(FrameReader(most_answer=3 * MAX_BODY).feed(answer)) == 1
    with pytest.raises(BadStreamFrame, match=f"more than {2 * MAX_BODY} bytes"):
        FrameReader(most_answer=2 * MAX_BODY).feed(answer)
    with pytest.raises(BadStreamFrame, match=f"more than {MAX_BODY} bytes"):  # before a welcome
        FrameReader(MAX_BODY, most_answer=2 * MAX_BODY).feed(answer)
    request = sent((SendLane.VIEWS, REQUEST, 1, bytes(3 * MAX_BODY)))
    assert len(FrameReader(most_answer=MAX_BODY).feed(request)) == 1


def test_a_message_waits_for_one_frame_of_16_mib_of_rows() -> None:
    lanes = Lanes()
    lanes.put(SendLane.BULK, REQUEST, 1, bytes(16 * 2**20))
    assert lanes.size == 16 * 2**20 + OVERHEAD
    lanes.take(1)
    lanes.put(SendLane.CONTROL, REQUEST, 2, b"renew")
    data = lanes.take(1) + lanes.take(1)
    assert data.index(b"renew") < MAX_BODY + 100
