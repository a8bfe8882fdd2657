from __future__ import annotations

import pytest

from fyke.domain.runs.sharing import share_id_in, token_of
from fyke.kit.ids import new_ulid
from fyke.model.run import Share

MASTER = bytes(range(32))


def test_a_token_contains_its_share() -> None:
    share_id = new_ulid()
    token = token_of(MASTER, share_id)
    assert share_id_in(MASTER, token) == share_id
    assert len(token) == 59 and token.isascii()


def test_a_changed_character_invalidates_the_token() -> None:
    token = token_of(MASTER, new_ulid())
    for index in range(len(token)):
        other = "A" if token[index] != "A" else "B"
        assert share_id_in(MASTER, token[:index] + other + token[index + 1 :]) is None
    for wrong in (
        "",
        "-",
        token[:26],
        token + "A",
        token + "=",
        token_of(b"x", token[:26]),
        "\ud800",
    ):
        assert share_id_in(MASTER, wrong) is None
    with pytest.raises(ValueError, match="empty"):
        token_of(b"", "x")


def test_a_share_ends_when_it_expires_or_is_revoked() -> None:
    share = Share("s", "a", "r", "u", True, True, 1, 100, 0)
    assert share.valid(99)
    assert not share.valid(100)
    assert not Share("s", "a", "r", "u", True, True, 1, 100, 50).valid(60)
