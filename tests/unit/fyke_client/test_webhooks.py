"""Messages signed by the platform are accepted, others are not."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time

import pytest
from standardwebhooks import Webhook

from fyke.domain.callbacks.signing import headers, secret_for
from fyke_client import InvalidSignature, verify_webhook

BODY = b'{"run_slug":"01KSFDS8XWTJME33C08XMCR6B9"}'
SECRET = secret_for(b"master", "account")


def signed(secret: str = SECRET, body: bytes = BODY, age: int = 0) -> dict[str, str]:
    return dict(headers(secret, "msg_1", int(time.time()) - age, body))


def forged() -> dict[str, str]:
    """Headers that anyone can make: signed with an empty key."""
    content = b"msg_1.%d." % int(time.time()) + BODY
    signature = base64.b64encode(hmac.digest(b"", content, hashlib.sha256)).decode()
    return {**signed(), "webhook-signature": f"v1,{signature}"}


def test_a_message_of_the_platform_is_accepted() -> None:
    message = verify_webhook(SECRET, signed(), BODY)
    assert message == {"run_slug": "01KSFDS8XWTJME33C08XMCR6B9"}
    assert verify_webhook(SECRET, {k.title(): v for k, v in signed().items()}, BODY) == message
    assert Webhook(SECRET).verify(BODY, signed()) == message


def test_one_of_several_signatures_is_enough() -> None:
    both = signed()
    other = signed(secret_for(b"master", "another"))["webhook-signature"]
    both["webhook-signature"] = f"{other} {both['webhook-signature']}"
    assert verify_webhook(SECRET, both, BODY)


@pytest.mark.parametrize(
    "given",
    [
        signed(secret_for(b"master", "another")),
        signed(body=BODY + b" "),
        signed(age=100_000),
        signed(age=-100_000),
        {},
        {**signed(), "webhook-timestamp": "now"},
        {**signed(), "webhook-signature": "v1,ä"},
        {**signed(), "webhook-signature": ""},
    ],
    ids=["secret", "body", "too old", "future", "none", "no time", "no text", "no signature"],
)
def test_other_messages_are_refused(given: dict[str, str]) -> None:
    with pytest.raises(InvalidSignature):
        verify_webhook(SECRET, given, BODY)


@pytest.mark.parametrize("secret", ["whsec_?", "whsec_ä", "whsec_", "", ["", SECRET]])
def test_a_wrong_secret_is_an_error_of_the_program(secret: str | list[str]) -> None:
    with pytest.raises(ValueError, match="whsec_ and Base64") as caught:
        verify_webhook(secret, forged(), BODY)
    assert not isinstance(caught.value, InvalidSignature)


def test_any_of_several_secrets_is_enough() -> None:
    other = secret_for(b"master", "another")
    assert verify_webhook([other, SECRET], signed(), BODY)
    with pytest.raises(InvalidSignature):
        verify_webhook([other], signed(), BODY)
    with pytest.raises(ValueError, match="no secret"):
        verify_webhook([], signed(), BODY)


def test_the_time_can_be_given() -> None:
    assert verify_webhook(SECRET, signed(age=1000), BODY, now=time.time() - 1000)
    assert verify_webhook(SECRET, signed(age=1000), BODY, tolerance=1100)
