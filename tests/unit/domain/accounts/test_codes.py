"""Codes of apps and recovery codes, without a database."""

from __future__ import annotations

import pytest

from fyke.domain.accounts.codes import (
    RECOVERY_CODES,
    STEP_MS,
    app_address,
    is_app_code,
    new_recovery_codes,
    new_secret,
    normalize,
    recovery_digest,
    step_of,
)

# the examples of RFC 6238, appendix B: the last six of their eight digits
SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
EXAMPLES = {59: "287082", 1111111109: "081804", 1234567890: "005924", 20000000000: "353130"}


@pytest.mark.parametrize("second", EXAMPLES)
def test_the_examples_of_the_standard_are_accepted(second: int) -> None:
    step = second * 1000 // STEP_MS
    for now in (second * 1000, (second + 30) * 1000, (second - 30) * 1000):
        assert step_of(SECRET, EXAMPLES[second], now) == step
    for now in ((second + 60) * 1000, (second - 60) * 1000):
        assert step_of(SECRET, EXAMPLES[second], now) is None


@pytest.mark.parametrize(
    "text", ["", "12345", "1234567", "12345a", "\u0661" * 6, "-12345", "1 2345"]
)
def test_other_texts_are_no_codes_of_an_app(text: str) -> None:
    assert not is_app_code(text)
    assert step_of(SECRET, text, 59_000) is None


def test_codes_are_read_as_people_write_them() -> None:
    assert normalize(" 287 082\n") == "287082"
    assert normalize("abc-def ghi") == "ABCDEFGHI"
    code = "0OIL1A-BCDEFG-HJKMNP-QRSTVW"
    assert recovery_digest(code) == recovery_digest("0011 1abcdefghjkmnpqrstvw")
    assert recovery_digest(code) != recovery_digest(f"{code}X")
    assert len(recovery_digest("\udcff")) == 64


def test_new_codes_and_secrets_differ() -> None:
    codes = new_recovery_codes()
    assert len({recovery_digest(code) for code in codes}) == RECOVERY_CODES == len(codes)
    assert not any(is_app_code(normalize(code)) for code in codes)
    secrets = {new_secret() for _ in range(20)}
    assert len(secrets) == 20 and all(len(secret) == 32 for secret in secrets)


def test_the_address_names_installation_and_user() -> None:
    assert app_address(SECRET, "ada@example.org", "fyke.example") == (
        "otpauth://totp/Fyke%20fyke.example:ada%40example.org"
        f"?secret={SECRET}&issuer=Fyke%20fyke.example"
    )
    assert app_address(SECRET, "ada", "").startswith("otpauth://totp/Fyke:ada?")
