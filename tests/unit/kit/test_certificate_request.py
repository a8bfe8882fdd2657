"""A key that another process makes."""

from __future__ import annotations

import sys

import pytest

from fyke.kit import certificate_request
from fyke.kit.certificate_request import request_elsewhere
from fyke.kit.certificates import DAY_SECONDS, CertifiedKey, new_authority, sign_client
from fyke.kit.tls import client_context

pytestmark = pytest.mark.anyio
NOW = 1_800_000_000


async def test_the_certificate_for_the_request_is_of_the_key() -> None:
    authority = new_authority("Nodes", NOW, DAY_SECONDS)
    made = await request_elsewhere()
    certificate = sign_client(authority, made.certificate, "node:n1", NOW, DAY_SECONDS)
    own = CertifiedKey(certificate, made.key)
    assert client_context(authority.certificate, own, []).get_ca_certs()


async def test_a_process_that_fails_makes_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    failing = (sys.executable, "-c", "raise SystemExit(3)")
    monkeypatch.setattr(certificate_request, "_COMMAND", failing)
    with pytest.raises(OSError, match="exit status 3"):
        await request_elsewhere()


async def test_a_process_that_does_not_end_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(certificate_request, "_COMMAND", ("sleep", "600"))
    monkeypatch.setattr(certificate_request, "SECONDS", 0.05)
    with pytest.raises(TimeoutError):
        await request_elsewhere()
