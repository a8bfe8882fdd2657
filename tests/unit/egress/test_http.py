"""HTTP proxying: the bytes that a client sends, and the steps that follow."""

from __future__ import annotations

import base64
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fyke.egress.actions import MAX_HEAD, Credentials, Dial, HangUp, ProxyRefusal, Step
from fyke.egress.http import Body, HttpHandshake
from support.egress import ATTEMPT, SECRET, basic

CREDENTIALS = Credentials(ATTEMPT, SECRET)
AUTH = f"Proxy-Authorization: {basic()}"


def head(*lines: str) -> bytes:
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def request(*lines: str, rest: bytes = b"") -> tuple[HttpHandshake, list[Step]]:
    handshake = HttpHandshake(CREDENTIALS)
    return handshake, handshake.feed(head(*lines) + rest)


def status(steps: list[Step]) -> int:
    (step,) = steps
    assert isinstance(step, HangUp)
    return int(step.data.split()[1])


def test_connect_opens_a_tunnel() -> None:
    handshake, steps = request("CONNECT site.example:443 HTTP/1.1", AUTH, rest=b"early")
    assert steps == [Dial(b"site.example", 443)]
    first_bytes = handshake.connected()
    assert first_bytes.to_client.startswith(b"HTTP/1.1 200 ") and first_bytes.to_client.endswith(
        b"\r\n\r\n"
    )
    assert first_bytes.to_target == b"early"
    assert handshake.outgoing(b"x") == (b"x", False)


def test_an_ipv6_literal_keeps_its_brackets() -> None:
    assert request("CONNECT [::1]:443 HTTP/1.1", AUTH)[1] == [Dial(b"[::1]", 443)]


def test_absolute_form_becomes_origin_form() -> None:
    handshake, steps = request(
        "GET http://Site.example:8080/a/b?c=d#e HTTP/1.1",
        "Host: other.example",
        "X-Thing: 1",
        "Connection: X-Drop, keep-alive, Content-Length",
        "X-Drop: 2",
        "Proxy-Connection: keep-alive",
        AUTH,
        "Accept: */*",
    )
    assert steps == [Dial(b"Site.example", 8080)]
    first_bytes = handshake.connected()
    assert first_bytes.to_client == b""
    assert first_bytes.to_target == head(
        "GET /a/b?c=d HTTP/1.1",
        "Host: Site.example:8080",
        "X-Thing: 1",
        "Accept: */*",
        "Connection: close",
    )


@pytest.mark.parametrize("host", ["chrome-http-inner.coreclaw.com", "127.0.0.1:9222"])
def test_credentials_for_the_browser_of_the_attempt_are_dropped(host: str) -> None:
    """Selenium sends them to the proxy within the address."""
    handshake, steps = request(f"GET http://name:secret@{host}/status HTTP/1.1", AUTH)
    name, _, port = host.partition(":")
    assert steps == [Dial(name.encode(), int(port or 80))]
    first_bytes = handshake.connected().to_target
    assert first_bytes.startswith(f"GET /status HTTP/1.1\r\nHost: {host}\r\n".encode())
    assert b"secret" not in first_bytes


@pytest.mark.parametrize(
    "authority", ["a:b@site.example", "a:b@proxy-inner.coreclaw.com", "a@127.0.0.1@site.example"]
)
def test_credentials_for_other_hosts_are_refused(authority: str) -> None:
    assert status(request(f"GET http://{authority}/ HTTP/1.1", AUTH)[1]) == 400


def test_a_bare_host_gets_a_path_and_port_80() -> None:
    handshake, steps = request("GET http://site.example HTTP/1.1", AUTH)
    assert steps == [Dial(b"site.example", 80)]
    assert handshake.connected().to_target.startswith(b"GET / HTTP/1.1\r\nHost: site.example\r\n")
    handshake, _ = request("GET http://site.example?q=1 HTTP/1.1", AUTH)
    assert handshake.connected().to_target.startswith(b"GET /?q=1 HTTP/1.1\r\n")


def test_only_the_body_of_the_request_is_passed_on() -> None:
    handshake, _ = request("POST http://a.example/ HTTP/1.1", AUTH, "Content-Length: 5", rest=b"he")
    assert handshake.connected().to_target.endswith(b"\r\n\r\nhe")
    assert handshake.outgoing(b"llo") == (b"llo", False)
    assert handshake.outgoing(b"GET http://b.example/ HTTP/1.1") == (b"", True)


def test_after_a_request_without_a_body_more_bytes_are_surplus() -> None:
    handshake, _ = request("GET http://a.example/ HTTP/1.1", AUTH)
    handshake.connected()
    assert handshake.outgoing(b"G") == (b"", True)


CHUNKED = b"5;ext=1\r\nhello\r\n0\r\nTrailer: x\r\n\r\n"


@pytest.mark.parametrize("cut", range(1, len(CHUNKED)))
def test_the_end_of_a_chunked_body_is_found(cut: int) -> None:
    body = Body([("Transfer-Encoding", "chunked")])
    assert body.take(CHUNKED[:cut]) == (CHUNKED[:cut], False)
    assert body.take(CHUNKED[cut:] + b"GET") == (CHUNKED[cut:], True)


@pytest.mark.parametrize(
    "data", [b"x\r\n", b"-5\r\n", b"\r\n", b"0x5\r\n", b"1" * 5000, b"f" * 20 + b"\n"]
)
def test_invalid_chunked_coding_is_not_passed_on(data: bytes) -> None:
    passed, surplus = Body([("transfer-encoding", "chunked")]).take(data)
    assert passed == b"" and surplus


@pytest.mark.parametrize(
    "header",
    [
        None,
        "Proxy-Authorization: Basic !!!",
        "Proxy-Authorization: Bearer abc",
        "Proxy-Authorization: Basic " + base64.b64encode(b"no-colon").decode(),
        f"Proxy-Authorization: {basic(secret='wrong')}",
        f"Authorization: {basic()}",
        f"{AUTH}\r\n{AUTH}",
    ],
)
def test_requests_without_valid_credentials_get_407(header: str | None) -> None:
    _, steps = request("CONNECT a.example:443 HTTP/1.1", *([header] if header else []))
    assert status(steps) == 407
    assert isinstance(steps[0], HangUp) and steps[0].denied
    assert b"Proxy-Authenticate: Basic " in steps[0].data


def test_options_after_the_name_are_ignored() -> None:
    _, steps = request(
        "CONNECT a.example:443 HTTP/1.1", f"proxy-authorization: basic {basic(ATTEMPT + '-us')[6:]}"
    )
    assert steps == [Dial(b"a.example", 443)]


@pytest.mark.parametrize(
    "first",
    [
        "GET / HTTP/1.1",
        "GET https://a.example/ HTTP/1.1",
        "GET ftp://a.example/ HTTP/1.1",
        "GET http:///x HTTP/1.1",
        "GET http://u:p@a.example/ HTTP/1.1",
        "GET http://a.example:0/ HTTP/1.1",
        "GET http://a.example:x/ HTTP/1.1",
        "CONNECT a.example HTTP/1.1",
        "CONNECT ::1:80 HTTP/1.1",
        "CONNECT a.example:99999 HTTP/1.1",
        "CONNECT  a.example:80 HTTP/1.1",
        "CONNECT a.example:80 HTTP/2",
        "CONNECT a.example:80",
        "C(NNECT a.example:80 HTTP/1.1",
        "GET http://a\x00.example/ HTTP/1.1",
        "GET http://b\xfccher.example/ HTTP/1.1",
        "\x16\x03\x01",
        "",
    ],
)
def test_malformed_request_lines_get_400(first: str) -> None:
    assert status(request(first, AUTH)[1]) == 400


@pytest.mark.parametrize(
    "header",
    ["no colon", " folded: x", "a b: c", "x: a\rb", "x: a\nb", "x: a\x00b",
     "Content-Length: -1", "Content-Length: 1_0", "Content-Length: 1\r\nContent-Length: 2",
     "Transfer-Encoding: gzip", "Transfer-Encoding: chunked\r\nContent-Length: 3",
     "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"],
)  # fmt: skip
def test_malformed_headers_get_400(header: str) -> None:
    assert status(request("POST http://a.example/ HTTP/1.1", AUTH, header)[1]) == 400


def test_a_head_that_is_too_large_gets_431() -> None:
    handshake = HttpHandshake(CREDENTIALS)
    assert handshake.feed(b"G" * MAX_HEAD) == []
    assert status(handshake.feed(b"E")) == 431
    assert status(HttpHandshake(CREDENTIALS).feed(b"a" * MAX_HEAD + b"b\r\n\r\n")) == 431


@pytest.mark.parametrize(
    ("refusal", "code"),
    [(ProxyRefusal.FORBIDDEN, 403), (ProxyRefusal.UNRESOLVABLE, 502), (ProxyRefusal.TIMED_OUT, 504),
     (ProxyRefusal.CONNECTION_REFUSED, 502)],
)  # fmt: skip
def test_the_body_of_a_refusal_is_its_reason(refusal: ProxyRefusal, code: int) -> None:
    answer = HttpHandshake(CREDENTIALS).refused(refusal, "why not")
    line = answer.partition(b"\r\n")[0].decode()
    assert line.startswith(f"HTTP/1.1 {code} ") and line.endswith(": why not")
    assert answer.endswith(b"\r\n\r\nwhy not\n")


@pytest.mark.parametrize("target", ["EXAMPLE.com", "example.com:80", "[2001:DB8::1]:8080"])
def test_a_refusal_is_known_by_a_proof(target: str) -> None:
    handshake = HttpHandshake(CREDENTIALS)
    handshake.feed(f"GET http://{target}/x HTTP/1.1\r\n{AUTH}\r\n\r\n".encode())
    place = "2001:db8::1:8080" if "[" in target else "example.com:80"
    for refusal, code in ((ProxyRefusal.FORBIDDEN, 403), (ProxyRefusal.THROTTLED, 503)):
        head = handshake.refused(refusal, "n\xf6t here\u2028 ").partition(b"\r\n\r\n")[0]
        proof = hmac.new(SECRET.encode(), f"{place} {code} n?t here?".encode(), "sha256")
        lines = head.decode("ascii").split("\r\n")
        assert f"Fyke-Refusal: {proof.hexdigest()} n?t here?" in lines
        assert lines[0].endswith(": n?t here?")


def test_each_proof_is_for_one_refusal() -> None:
    proofs = {
        who.proof(*where)
        for who in (CREDENTIALS, Credentials(ATTEMPT, "other"))
        for where in (
            ("example.com", 80, 403, "not here"),
            ("example.com", 81, 403, "not here"),
            ("example.com", 80, 502, "not here"),
            ("example.com", 80, 403, "not there"),
            ("b.org", 80, 403, "not here"),
        )
    }
    assert len(proofs) == 10


@given(st.binary(max_size=500))
def test_random_heads_never_dial(data: bytes) -> None:
    steps = HttpHandshake(CREDENTIALS).feed(data + b"\r\n\r\n")
    assert not any(isinstance(step, Dial) for step in steps)


@given(st.binary(max_size=200), st.sampled_from(["CONNECT ", "GET http://"]))
def test_random_targets_dial_or_are_refused(data: bytes, start: str) -> None:
    raw = start.encode() + data + b" HTTP/1.1\r\n" + AUTH.encode() + b"\r\n\r\n"
    steps = HttpHandshake(CREDENTIALS).feed(raw)
    assert len(steps) == 1 and isinstance(steps[0], Dial | HangUp)


@given(st.lists(st.binary(max_size=50), max_size=8))
def test_random_bodies_are_passed_on_up_to_their_end(parts: list[bytes]) -> None:
    body = Body([("Transfer-Encoding", "chunked")])
    for part in parts:
        passed, surplus = body.take(part)
        assert part.startswith(passed) and surplus == (len(passed) < len(part))
        if surplus:
            break


def test_passwordless_credentials_need_no_header() -> None:
    passwordless = HttpHandshake(Credentials(ATTEMPT, SECRET, passwordless=True))
    [step] = passwordless.feed(b"CONNECT example.com:443 HTTP/1.1\r\n\r\n")
    assert step == Dial(b"example.com", 443)
    [refused] = HttpHandshake(CREDENTIALS).feed(b"CONNECT example.com:443 HTTP/1.1\r\n\r\n")
    assert isinstance(refused, HangUp)
    assert b" 407 " in refused.data
