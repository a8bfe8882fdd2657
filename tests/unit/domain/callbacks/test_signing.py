"""Signatures, verified by the reference library and by its published vector."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from fyke.domain.callbacks.signing import headers, secret_for

MASTER = bytes(range(32))


def test_the_published_vector() -> None:
    signed = headers(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1_614_265_330,
        b'{"test": 2432232314}',
    )
    assert signed == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_the_library_accepts_signatures_and_refuses_any_change() -> None:
    secret = secret_for(MASTER, "account")
    body = '{"run_slug":"Zürich"}'.encode()
    signed = headers(secret, "msg_1", int(time.time()), body)
    assert Webhook(secret).verify(body, signed) == {"run_slug": "Zürich"}
    for change in range(len(body) - 10):  # including the two bytes of the umlaut
        broken = bytearray(body)
        broken[change] ^= 1
        with pytest.raises((WebhookVerificationError, UnicodeDecodeError)):
            Webhook(secret).verify(bytes(broken), signed)
    for name in ("webhook-id", "webhook-timestamp"):
        with pytest.raises(WebhookVerificationError):
            Webhook(secret).verify(body, {**signed, name: signed[name] + "1"})


def test_during_a_rotation_both_secrets_verify() -> None:
    old, new = secret_for(MASTER, "a"), secret_for(b"another master", "a")
    signed = headers([new, old], "msg_1", int(time.time()), b"{}")
    assert Webhook(old).verify(b"{}", signed) == Webhook(new).verify(b"{}", signed) == {}


def test_secrets_differ_by_account_and_installation() -> None:
    secrets = {secret_for(m, a) for m in (MASTER, b"x") for a in ("a", "b")}
    assert len(secrets) == 4
    assert all(len(base64.b64decode(s.removeprefix("whsec_"))) == 32 for s in secrets)
    assert secret_for(MASTER, "a") == secret_for(MASTER, "a")


def test_the_secret_of_an_account_never_changes() -> None:
    # receivers have stored it: another derivation would refuse every callback
    expected = hmac.new(MASTER, b"callback:account", hashlib.sha256).digest()
    assert secret_for(MASTER, "account") == "whsec_" + base64.b64encode(expected).decode()


def test_an_empty_secret_signs_nothing() -> None:
    with pytest.raises(ValueError, match=r"^the master secret is empty$"):
        secret_for(b"", "account")
    with pytest.raises(ValueError, match=r"^the signing secret is empty$"):
        headers("whsec_", "msg_1", 1, b"{}")
