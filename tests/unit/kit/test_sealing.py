"""Sealed values can be opened only with their key and at their location."""

from __future__ import annotations

import base64

import pytest

from fyke.kit.sealing import Sealer, UnsealError

PLACE = ("account", "worker", "LOGIN")
SEALER = Sealer(b"m" * 32)


def test_a_sealed_value_can_be_opened() -> None:
    for value in ("ada:secret", "ünïcödé 🔑\nsecond line", "x" * 16384):
        sealed = SEALER.seal(PLACE, value)
        assert SEALER.open(PLACE, sealed) == value
        assert value not in sealed and value.encode() not in base64.b64decode(sealed)


def test_the_same_value_is_sealed_differently_each_time() -> None:
    assert len({SEALER.seal(PLACE, "ada:secret") for _ in range(1000)}) == 1000


@pytest.mark.parametrize("part", [0, 1, 2])
def test_a_value_cannot_be_opened_at_another_location(part: int) -> None:
    sealed = SEALER.seal(PLACE, "ada:secret")
    other = list(PLACE)
    other[part] += "2"
    with pytest.raises(UnsealError):
        SEALER.open((other[0], other[1], other[2]), sealed)


def test_the_parts_of_a_location_are_separated() -> None:
    sealed = SEALER.seal(("a", "bc", "D"), "ada:secret")
    with pytest.raises(UnsealError):
        SEALER.open(("ab", "c", "D"), sealed)


def test_every_changed_bit_is_detected() -> None:
    data = bytearray(base64.b64decode(SEALER.seal(PLACE, "ada:secret")))
    for number in range(len(data) * 8):
        data[number // 8] ^= 1 << number % 8
        with pytest.raises(UnsealError):
            SEALER.open(PLACE, base64.b64encode(data).decode())
        data[number // 8] ^= 1 << number % 8
    assert SEALER.open(PLACE, base64.b64encode(data).decode()) == "ada:secret"


@pytest.mark.parametrize("sealed", ["", "####", "AAAA", "é"])
def test_unsealed_bytes_cannot_be_opened(sealed: str) -> None:
    with pytest.raises(UnsealError):
        SEALER.open(PLACE, sealed)


def test_another_installation_has_another_key() -> None:
    other = Sealer(b"n" * 32)
    assert other.key_id != SEALER.key_id == Sealer(b"m" * 32).key_id
    assert len(SEALER.key_id) == 16
    with pytest.raises(UnsealError):
        other.open(PLACE, SEALER.seal(PLACE, "ada:secret"))


def test_an_empty_master_secret_is_refused() -> None:
    with pytest.raises(ValueError):
        Sealer(b"")
