"""Secrets of endpoints: derivation and rotation."""

from __future__ import annotations

import base64

import pytest

from fyke.domain.webhooks.secrets import secret_of, signing_secrets
from fyke.model.webhook import OLD_SECRET_MS
from support.alerts import an_endpoint

MASTER = bytes(range(32))


def test_a_secret_is_of_its_endpoint_salt_and_installation() -> None:
    first = secret_of(MASTER, "a", "1")
    assert first.startswith("whsec_")
    assert len(base64.b64decode(first.removeprefix("whsec_"))) == 32
    others = {secret_of(MASTER, "b", "1"), secret_of(MASTER, "a", "2"), secret_of(b"x", "a", "1")}
    assert first not in others and len(others) == 3
    assert secret_of(MASTER, "a", "1") == first


@pytest.mark.parametrize(("master", "salt"), [(b"", "1"), (MASTER, "")])
def test_an_empty_master_secret_or_salt_is_refused(master: bytes, salt: str) -> None:
    with pytest.raises(ValueError, match="needs the master secret and a salt"):
        secret_of(master, "a", salt)


def test_the_old_secret_signs_too_for_a_day() -> None:
    endpoint = an_endpoint("acc", salt="new", old_salt="old", old_until=1000 + OLD_SECRET_MS)
    new, old = (secret_of(MASTER, endpoint.id, salt) for salt in ("new", "old"))
    assert signing_secrets(MASTER, endpoint, 1000) == (new, old)
    assert signing_secrets(MASTER, endpoint, 1000 + OLD_SECRET_MS - 1) == (new, old)
    assert signing_secrets(MASTER, endpoint, 1000 + OLD_SECRET_MS) == (new,)
    assert signing_secrets(MASTER, an_endpoint("acc"), 1000)[1:] == ()
