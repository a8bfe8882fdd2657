"""HTTP proxying, read like a script of the conversation."""

from __future__ import annotations

import base64

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


def ask(*lines: str, rest: bytes = b"") -> tuple[HttpHandshake, list[Step]]:
    machine = HttpHandshake(CREDENTIALS)
    return machine, machine.feed(head(*lines) + rest)


def status(steps: list[Step]) -> int:
    (step,) = steps
    assert isinstance(step, HangUp)
    return int(step.data.split()[1])


def test_connect_opens_a_tunnel() -> None:
    machine, steps = ask("CONNECT site.example:443 HTTP/1.1", AUTH, rest=b"early")
    assert steps == [Dial(b"site.example", 443)]
    words = machine.connected()
    assert words.to_client.startswith(b"HTTP/1.1 200 ") and words.to_client.endswith(b"\r\n\r\n")
    assert words.to_target == b"early"
    assert machine.outgoing(b"x") == (b"x", False)


def test_a_v6_literal_keeps_its_brackets_for_the_rules() -> None:
    assert ask("CONNECT [::1]:443 HTTP/1.1", AUTH)[1] == [Dial(b"[::1]", 443)]


def test_absolute_form_becomes_origin_form() -> None:
    machine, steps = ask(
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
    words = machine.connected()
    assert words.to_client == b""
    assert words.to_target == head(
        "GET /a/b?c=d HTTP/1.1",
        "Host: Site.example:8080",
        "X-Thing: 1",
        "Accept: */*",
        "Connection: close",
    )


def test_a_bare_host_gets_a_path_and_port_80() -> None:
    machine, steps = ask("GET http://site.example HTTP/1.1", AUTH)
    assert steps == [Dial(b"site.example", 80)]
    assert machine.connected().to_target.startswith(b"GET / HTTP/1.1\r\nHost: site.example\r\n")
    machine, _ = ask("GET http://site.example?q=1 HTTP/1.1", AUTH)
    assert machine.connected().to_target.startswith(b"GET /?q=1 HTTP/1.1\r\n")


def test_only_the_own_body_is_passed_on() -> None:
    machine, _ = ask("POST http://a.example/ HTTP/1.1", AUTH, "Content-Length: 5", rest=b"he")
    assert machine.connected().to_target.endswith(b"\r\n\r\nhe")
    assert machine.outgoing(b"llo") == (b"llo", False)
    assert machine.outgoing(b"GET http://b.example/ HTTP/1.1") == (b"", True)


def test_a_request_without_body_lets_nothing_follow() -> None:
    machine, _ = ask("GET http://a.example/ HTTP/1.1", AUTH)
    machine.connected()
    assert machine.outgoing(b"G") == (b"", True)


CHUNKED = b"5;ext=1\r\nhello\r\n0\r\nTrailer: x\r\n\r\n"


@pytest.mark.parametrize("cut", range(1, len(CHUNKED)))
def test_chunked_bodies_end_where_they_end(cut: int) -> None:
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
    "line",
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
def test_credentials_are_needed(line: str | None) -> None:
    _, steps = ask("CONNECT a.example:443 HTTP/1.1", *([line] if line else []))
    assert status(steps) == 407
    assert isinstance(steps[0], HangUp) and steps[0].denied
    assert b"Proxy-Authenticate: Basic " in steps[0].data


def test_options_behind_the_name_are_ignored() -> None:
    _, steps = ask(
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
def test_bad_request_lines(first: str) -> None:
    assert status(ask(first, AUTH)[1]) == 400


@pytest.mark.parametrize(
    "line",
    ["no colon", " folded: x", "a b: c", "x: a\rb", "x: a\nb", "x: a\x00b",
     "Content-Length: -1", "Content-Length: 1_0", "Content-Length: 1\r\nContent-Length: 2",
     "Transfer-Encoding: gzip", "Transfer-Encoding: chunked\r\nContent-Length: 3",
     "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"],
)  # fmt: skip
def test_bad_headers(line: str) -> None:
    assert status(ask("POST http://a.example/ HTTP/1.1", AUTH, line)[1]) == 400


def test_the_head_has_a_limit() -> None:
    machine = HttpHandshake(CREDENTIALS)
    assert machine.feed(b"G" * MAX_HEAD) == []
    assert status(machine.feed(b"E")) == 431
    assert status(HttpHandshake(CREDENTIALS).feed(b"a" * MAX_HEAD + b"b\r\n\r\n")) == 431


@pytest.mark.parametrize(
    ("refusal", "code"),
    [(ProxyRefusal.FORBIDDEN, 403), (ProxyRefusal.UNRESOLVABLE, 502), (ProxyRefusal.TIMED_OUT, 504),
     (ProxyRefusal.CONNECTION_REFUSED, 502)],
)  # fmt: skip
def test_refusals_say_one_line(refusal: ProxyRefusal, code: int) -> None:
    answer = HttpHandshake(CREDENTIALS).refused(refusal, "why not")
    assert answer.startswith(f"HTTP/1.1 {code} ".encode())
    assert answer.endswith(b"\r\n\r\nwhy not\n")


@given(st.binary(max_size=500))
def test_no_head_breaks_it(data: bytes) -> None:
    steps = HttpHandshake(CREDENTIALS).feed(data + b"\r\n\r\n")
    assert not any(isinstance(step, Dial) for step in steps)


@given(st.binary(max_size=200), st.sampled_from(["CONNECT ", "GET http://"]))
def test_no_target_breaks_it(data: bytes, start: str) -> None:
    raw = start.encode() + data + b" HTTP/1.1\r\n" + AUTH.encode() + b"\r\n\r\n"
    steps = HttpHandshake(CREDENTIALS).feed(raw)
    assert len(steps) == 1 and isinstance(steps[0], Dial | HangUp)


@given(st.lists(st.binary(max_size=50), max_size=8))
def test_no_body_breaks_it(parts: list[bytes]) -> None:
    body = Body([("Transfer-Encoding", "chunked")])
    for part in parts:
        passed, surplus = body.take(part)
        assert part.startswith(passed) and surplus == (len(passed) < len(part))
        if surplus:
            break


def test_without_a_password_where_the_socket_says_who_asks() -> None:
    open_one = HttpHandshake(Credentials(ATTEMPT, SECRET, passwordless=True))
    [step] = open_one.feed(b"CONNECT example.com:443 HTTP/1.1\r\n\r\n")
    assert step == Dial(b"example.com", 443)
    [refused] = HttpHandshake(CREDENTIALS).feed(b"CONNECT example.com:443 HTTP/1.1\r\n\r\n")
    assert isinstance(refused, HangUp)
    assert b" 407 " in refused.data
