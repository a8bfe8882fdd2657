"""Code that handles untrusted bytes, each as a function that takes bytes and raises on a fault.

``TARGETS`` serves the trials by hypothesis and the longer ones by coverage (``bench/fuzz.py``).
A target returns without an error for any input, and asserts what must be true of every input.
"""

from __future__ import annotations

import atexit
import io
import json
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import hpack
import msgspec

from fyke.browser import messages as gateway_messages
from fyke.browser.endpoints import rewrite
from fyke.browser.requests import (
    UnusableRequest,
    accepted_upgrade,
    parse_request,
    upgrade_to_chromium,
    wrong_credentials,
)
from fyke.browser.routes import find_route
from fyke.browser.taps import Taps, standard_taps
from fyke.browser.websocket import BadFrame, FrameStream
from fyke.domain.forms.describe import describe
from fyke.domain.results.rows import RowRefused, decode_row
from fyke.domain.workers import input_findings, input_schema, output_schema
from fyke.domain.workers.archive import normalise, open_archive
from fyke.egress.actions import Credentials, Dial, Send, Step
from fyke.egress.handshake import start_handshake
from fyke.egress.http import BadRequest, Body
from fyke.egress.messages import decode_reply, decode_request, encode
from fyke.errors import InvalidRequest
from fyke.kit.addresses import AddressRules
from fyke.kit.hostports import BadHost, parse_host
from fyke.kit.stream_frames import (
    BadStreamFrame,
    FrameReader,
    Lanes,
    SendLane,
    StreamMessage,
)
from fyke.sandbox.process.order import BadLaunchOrder, parse
from fyke.sdk import frames, messages
from fyke.sdk.frames import ProtocolError, frame
from fyke.sdk.headers import PathReader
from fyke.sdk.messages import MalformedMessage
from fyke.wire import nodes as node_wire
from support.egress import ATTEMPT, SECRET, basic, socks_hello, socks_request
from support.h2_wire import START, call, serve_pieces
from support.zips import Entry, make_zip

CREDENTIALS = Credentials(ATTEMPT, SECRET)
_TOKEN = basic()[6:-2].encode()  # its last letter can be written in several ways
AUTH = f"Proxy-Authorization: {basic()}\r\n".encode()


@dataclass(frozen=True, slots=True)
class Target:
    """``seeds`` are the first inputs; ``size`` is the longest input in bytes."""

    run: Callable[[bytes], None]
    seeds: tuple[bytes, ...]
    size: int = 2000


def pieces(data: bytes) -> list[bytes]:
    """The rest of the data in pieces; the first byte gives their size."""
    cut = data[:1] + b"\x01"
    step, rest = cut[0] % 60 + 1, data[1:]
    return [rest[at : at + step] for at in range(0, len(rest), step)]


# --- egress ------------------------------------------------------------------------------------


def _steps(parts: list[bytes]) -> tuple[list[Step], bytes, bytes]:
    """All steps to the last one, then the remaining bytes for the target and for the client."""
    if not parts or not parts[0]:
        return [], b"", b""
    machine = start_handshake(parts[0], CREDENTIALS)
    steps: list[Step] = []
    left = list(parts)
    while left and not (steps and not isinstance(steps[-1], Send)):
        steps += machine.feed(left.pop(0))
    if not steps or not isinstance(steps[-1], Dial):
        return steps, b"", b""
    words = machine.connected()
    passed, ended = words.to_target, False
    for part in left:
        if not ended:
            data, ended = machine.outgoing(part)
            passed += data
    return steps, passed, words.to_client


def handshake(data: bytes) -> None:
    """The way the bytes are split changes nothing; no target is dialled without the secret."""
    whole, cut = _steps([data[1:]]), _steps(pieces(data))
    assert whole[0] == cut[0] and whole[2] == cut[2]
    if whole[0] and isinstance(whole[0][-1], Dial):
        assert SECRET.encode() in data or _TOKEN in data
        assert cut[1].startswith(whole[1])  # the start of an invalid line may pass


def body(data: bytes) -> None:
    """The output is a prefix of the input, and its end does not depend on how that is split."""
    coding = [("transfer-encoding", "chunked")] if data[:1] < b"\x80" else [("content-length", "9")]
    parts, whole = pieces(data), Body(coding)
    passed, surplus = whole.take(b"".join(parts))
    follower, collected, ended = Body(coding), b"", False
    for part in parts:
        passed_bytes, ended = follower.take(part)
        assert part.startswith(passed_bytes) and ended == (len(passed_bytes) < len(part))
        collected += passed_bytes
        if ended:
            break
    assert ended == surplus
    assert data[1:].startswith(collected) and collected.startswith(passed)
    assert len(collected) - len(passed) < 4096


def framing(data: bytes) -> None:
    """Headers that frame a body are unambiguous or refused."""
    lines = [line.partition(b":") for line in data.split(b"\n")]
    headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, _, value in lines]
    try:
        Body(headers).take(data)
    except BadRequest as error:
        assert str(error)


def host(data: bytes) -> None:
    """The text of an accepted host is parsed to the same value again."""
    try:
        address = parse_host(data)
    except BadHost as error:
        assert str(error)
        return
    assert parse_host(str(address)) == address
    if not isinstance(address, str):
        AddressRules().select(address, (str(address),), 80)


def control(data: bytes) -> None:
    """Messages between runner and egress are refused, or survive encoding and decoding."""
    for decode in (decode_request, decode_reply):
        try:
            message = decode(data)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            continue
        assert decode(encode(message)) == message


# --- the gateway of browsers ---------------------------------------------------------------------


def browser_request(data: bytes) -> None:
    """A request is refused with a text, or has a route; nothing of it can add a line to ours."""
    try:
        request = parse_request(data)
        known = not wrong_credentials(request, ATTEMPT, SECRET)
        route = find_route(request)
        head = upgrade_to_chromium(request, 1, route.target or "/")
        assert request.body_size >= 0
    except UnusableRequest as error:
        assert str(error).isprintable() and error.status in (400, 403, 404, 405)
        return
    assert head.count(b"\r\n") == 7 and accepted_upgrade(request).count(b"\r\n") == 5
    assert known or b"authorization" in data.lower() or b"@" in data or b"=" in data


def websocket(data: bytes) -> None:
    """Frames pass unchanged but for those that are refused, however the stream is cut."""
    whole, cut = _frames([data[1:]]), _frames(pieces(data))
    assert whole[1] == cut[1]
    assert whole[0].startswith(cut[0]) or cut[0].startswith(whole[0])
    everything = FrameStream(lambda message: True)
    try:
        assert data.startswith(b"".join(everything.feed(data)))
    except BadFrame as error:
        assert str(error)


def _frames(parts: list[bytes]) -> tuple[bytes, list[bytes]]:
    """What passes when messages with an even number of bytes do, and the messages before a bad
    frame.
    """
    seen: list[bytes] = []
    stream = FrameStream(lambda message: seen.append(message) or len(message) % 2 == 0)  # type: ignore[func-returns-value]
    passed = b""
    with suppress(BadFrame):
        for part in parts:
            passed += b"".join(stream.feed(part))
    return passed, seen


def devtools(data: bytes) -> None:
    """A command passes or gets an answer with its number; endpoints lead to the gateway."""
    found = Taps(standard_taps(None)).read(data)
    if found is not None:
        command, answer = found
        assert json.loads(answer.encode(command))["id"] == command.id
    body = rewrite(data, "gateway:1")
    if body is not None:
        value = json.loads(body)
        items = value if isinstance(value, list) else [value]
        urls = [item.get("webSocketDebuggerUrl") for item in items if isinstance(item, dict)]
        assert all(url is None or url.startswith("ws://gateway:1/devtools/") for url in urls)


def gateway_control(data: bytes) -> None:
    """Messages between runner and gateway are refused, or survive encoding and decoding."""
    for decode in (gateway_messages.decode_request, gateway_messages.decode_reply):
        try:
            message = decode(data)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            continue
        assert decode(gateway_messages.encode(message)) == message


# --- the SDK service ---------------------------------------------------------------------------


def connection(data: bytes) -> None:
    """A client's bytes after a valid start: the service keeps working and keeps no state."""
    serve_pieces([START, *pieces(data)])


def greeting(data: bytes) -> None:
    """A client's first bytes."""
    serve_pieces(pieces(data))


def header_blocks(data: bytes) -> None:
    """The caching reader finds the same paths as a plain decoder, block after block."""
    reader, plain = PathReader(), hpack.Decoder(max_header_list_size=64 * 1024)
    for block in pieces(data):
        try:
            fields = dict(reversed(plain.decode(block, raw=True)))
            path = bytes(fields.get(b":path", b"")).decode("ascii", "replace")
        except Exception:
            path = None
        try:
            assert reader.path(block) == path
        except ProtocolError:
            assert path is None
        if path is None:
            return


def protobuf(data: bytes) -> None:
    for read in (messages.read_text, lambda part: list(messages.read_headers(part))):
        try:
            read(data)
        except MalformedMessage as error:
            assert str(error)


def row(data: bytes) -> None:
    """A row that a Worker pushes is refused with a message or becomes a JSON object."""
    try:
        decoded = decode_row(data)
    except RowRefused as error:
        assert str(error)
        return
    assert isinstance(json.loads(decoded.row.data), dict)


# --- uploads -----------------------------------------------------------------------------------


def archive(data: bytes) -> None:
    """An archive is refused, or its files are below the root and can be packed again."""
    try:
        with open_archive(data) as opened:
            names = [file.path for file in opened.files]
            normalised = normalise(opened.files)
    except InvalidRequest as error:
        assert error.message.isprintable()
        return
    for name in names:
        assert not name.startswith("/") and ".." not in name.split("/") and "\\" not in name
    with zipfile.ZipFile(io.BytesIO(normalised)) as packed:
        assert packed.namelist() == sorted(names)


def schema(data: bytes) -> None:
    """A schema is unusable exactly when the checker reports an error, and always makes a form."""
    text = data.decode("utf-8", "replace")
    findings = input_findings.check(text)
    for finding in findings:
        assert finding.message and finding.remedy
    try:
        input_schema.parse(text)
    except InvalidRequest:
        assert any(finding.severity == "error" for finding in findings)
    else:
        assert not any(finding.severity == "error" for finding in findings)
    describe.__wrapped__(text)  # without its cache
    output_schema.check(text)


# --- streams of nodes --------------------------------------------------------------------------


def _stream_messages(parts: list[bytes]) -> tuple[list[StreamMessage], str]:
    """The messages of these bytes, and the rule that they break."""
    reader, found = FrameReader(), list[StreamMessage]()
    try:
        for part in parts:
            found += reader.feed(part)
    except BadStreamFrame as error:
        return found, str(error)
    return found, ""


def stream_frames(data: bytes) -> None:
    """The way the bytes are split changes nothing, and the messages arrive when sent again."""
    whole, rule = _stream_messages([data[1:]])
    cut, cut_rule = _stream_messages(pieces(data))
    assert rule == cut_rule
    assert rule or whole == cut
    lanes = Lanes()
    for message in cut:
        lanes.put(SendLane.BULK, message.kind, message.number, message.body)
    assert _stream_messages([lanes.take(2**30)]) == (cut, "")


def node_messages(data: bytes) -> None:
    """A message is refused, or is the same when sent again."""
    decoders: tuple[Callable[[bytes], object], ...] = (
        node_wire.decode_request,
        node_wire.decode_notice,
    )
    for decode in decoders:
        with suppress(node_wire.BadNodeMessage):
            message = decode(data)
            assert repr(decode(node_wire.encode(message))) == repr(message)  # NaN is not equal
    assert node_wire.decode_error(data).message


# --- the launcher ------------------------------------------------------------------------------


@cache
def data_folder() -> Path:
    home = Path(tempfile.mkdtemp(prefix="fuzz-orders-"))
    atexit.register(shutil.rmtree, home)
    (home / "cache" / "bundles" / "b").mkdir(parents=True)
    return home


def order(data: bytes) -> None:
    """An order is refused with a message, or names folders of the cache and is the same when
    parsed again.
    """
    try:
        message = json.loads(data)
    except (ValueError, RecursionError):
        return
    if not isinstance(message, dict):
        return
    home = data_folder()
    message = {
        k: v.replace("@", str(home)) if isinstance(v, str) else v for k, v in message.items()
    }
    try:
        parsed = parse(message, home)
    except BadLaunchOrder as error:
        assert str(error)
        return
    for folder in (parsed.bundle, parsed.environment):
        assert folder is None or folder.resolve().is_relative_to(home.resolve() / "cache")
    assert parse(parsed.to_message(), home) == parsed


# --- the first inputs --------------------------------------------------------------------------


def _zip() -> bytes:
    files = [
        Entry("main.py", b"print(1)\n"),
        Entry("a/", b"", 0, mode=0o040755),
        Entry("a/b", b"x"),
    ]
    return make_zip(files)


def _order(**changes: object) -> bytes:
    good = {
        "name": "A-1", "kind": "python", "bundle": "@/cache/bundles/b", "environment": None,
        "cpus": 1, "memory": 2**26, "processes": 9, "tmp_size": 2**24, "work_size": 2**24,
    }  # fmt: skip
    return json.dumps(good | changes).encode()


_CHUNKED = b"5;e=1\r\nhello\r\n0\r\nTrailer: x\r\n\r\nGET"
_FIELD = {"name": "u", "type": "array", "editor": "requestList", "default": [{"url": "x"}]}
_SCHEMA = json.dumps(
    {"properties": [_FIELD], "b": "u", "concurrency": {"fields": ["u"], "limits": []}}
).encode()
_BLOCK = hpack.Encoder().encode([(b":method", b"POST"), (b":path", b"/x"), (b"te", b"trailers")])
_RESET = frame(3, 0, 1, bytes(4))
_HEADERS = b"\x0a\x09\x0a\x01a\x12\x01b\x1a\x01c"

_UPGRADE = (
    b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)

TARGETS: dict[str, Target] = {
    "handshake": Target(
        handshake,
        (
            b"\x09" + socks_hello() + socks_request("a.example", 80) + b"early",
            b"\x03" + socks_hello() + b"\x05\x01\x00\x01\x08\x08\x08\x08\x00\x50rest",
            b"\x20CONNECT a.example:443 HTTP/1.1\r\n" + AUTH + b"\r\nearly",
            b"\x07POST http://a.example/x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n"
            + AUTH
            + b"\r\n"
            + _CHUNKED,
        ),
    ),
    "body": Target(body, (b"\x01" + _CHUNKED, b"\x30" + _CHUNKED * 2, b"\x81" + b"x" * 20)),
    "framing": Target(
        framing, (b"content-length: 5\n", b"transfer-encoding: chunked\ncontent-length: 1")
    ),
    "host": Target(host, (b"a.example", b"[::1]", b"127.0.0.1.", "b\u00fccher.example".encode())),
    "control": Target(
        control,
        (
            b'{"type":"open","seq":1,"attempt_id":"A","secret":"s","region":"","allow":[],'
            b'"limit_bytes":null,"domains":null,"session":"","guarded":true,'
            b'"passwordless":false}',
            b'{"type":"add","seq":2,"attempt_id":"A","passwordless":true}',
            b'{"type":"remove","seq":2,"attempt_id":"A","key":7}',
            b'{"type":"close","seq":2,"attempt_id":"A"}',
            b'{"type":"done","seq":2,"error":""}',
        ),
    ),
    "browser request": Target(
        browser_request,
        (
            b"GET /ws?apiKey=a:b HTTP/1.1\r\nHost: a:80\r\n" + _UPGRADE,
            b"GET ws://a:b@h/devtools/page/A HTTP/1.1\r\nAuthorization: Basic YTpi\r\n" + _UPGRADE,
            b"PUT /json/new?http://a/ HTTP/1.1\r\nContent-Length: 0\r\n" + _UPGRADE,
        ),
    ),
    "websocket": Target(
        websocket,
        (
            b"\x03\x81\x85\x01\x02\x03\x04hello\x81\x02{}\x89\x00\x82\x03abc",
            b"\x01\x01\x03one\x80\x03two\x81\xfe\x00\x80mask" + b"x" * 128 + b"\x88\x02\x03\xe8",
            b"\x20\x81\x7f\x00\x00\x00\x00\x00\x00\x00\x03abc\x81\x03def",
        ),
    ),
    "stream frames": Target(
        stream_frames,
        (
            b"\x05\0\0\0\x03\x01\0\0\0\0\0\0\0\x07abc\0\0\0\0\x05\xff\xff\xff\xff\0\0\0\0"
            b"\0\0\0\x02\x02\0\0\0\0\0\0\0\x07ab",
            b"\x20\0\1\0\0\x81\0\0\0\0\0\0\0\x07" + b"x" * 2**16 + b"\0\0\0\x01\x01"
            b"\0\0\0\0\0\0\0\x07y",
        ),
        size=70_000,
    ),
    "node messages": Target(
        node_messages,
        (
            b"\x83\xa2op\xa7reserve\xa3key\x85\xa2id\xa1A\xa6run_id\xa1R\xa7ordinal\0\xa6number\xa11"
            b"\xa5token\x07\xa4cpus\xcb?\xe0\0\0\0\0\0\0\xa9memory_mb\x10",
            b"\x83\xa2op\xa6commit\xa7batches\x91\x85\xa6run_id\xa1R\xaaattempt_id\xa1A\xa4rows\x91"
            b"\x81\xa4data\xc4\x02{}\xa7headers\xc0\xa3log\x90\xa3now\x01",
            b"\x81\xa2op\xa4work",
            b"\x82\xa3key\xabstale_lease\xa7message\xa4over",
        ),
    ),
    "devtools": Target(
        devtools,
        (
            b'{"id":1,"sessionId":"A","method":"Captchas.automaticSolver","params":{}}',
            b'{"id":2,"method":"Page.navigate","params":{"url":"file:///etc"}}',
            b'[{"id":"A","webSocketDebuggerUrl":"ws://127.0.0.1:1/devtools/page/A"}]',
        ),
    ),
    "gateway control": Target(
        gateway_control,
        (
            b'{"type":"open","seq":1,"attempt_id":"A","secret":"s"}',
            b'{"type":"attach","seq":1,"attempt_id":"A","generation":1,"program":"chromium",'
            b'"own_sandbox":true}',
            b'{"type":"refuse","seq":1,"attempt_id":"A","status":503,"text":"t","retry_after":5}',
            b'{"type":"ended","attempt_id":"A","generation":1,"cause":"crashed","detail":""}',
        ),
    ),
    "connection": Target(
        connection,
        (
            b"\x30" + call(1) + call(3),
            b"\x05"
            + frame(1, 0, 1, _BLOCK[:3])
            + frame(9, 4, 1, _BLOCK[3:])
            + frame(3, 0, 1, bytes(4)),
            b"\x3b" + frames.settings({4: 0}) + call(1) + frames.window_update(1, 9) + call(3),
            b"\x3b" + frame(6, 0, 0, bytes(8)) * 30 + frames.window_update(0, 2**31 - 1),
            b"\x3b" + frame(1, 4, 1, _BLOCK) + frame(0, 8, 1, b"\x03\0\0\0\0\x01mxxx") + call(5),
        ),
        4000,
    ),
    "greeting": Target(greeting, (b"\x10" + START + call(1), b"\x10GET / HTTP/1.1\r\n\r\n")),
    "header blocks": Target(header_blocks, (b"\x3b" + _BLOCK * 4, b"\x02" + _BLOCK)),
    "protobuf": Target(protobuf, (_HEADERS, b"\x0a\x05hello", b"\x10\x05\x0a\x00\x15abcd")),
    "row": Target(
        row,
        (b'{"a":1,"b":[1e400,-0.0],"c":"\\ud800"}', b'"{\\"a\\":1}"', b"[NaN]", b"plain \xff text"),
    ),
    "archive": Target(archive, (_zip(), zlib.compress(b"no zip")), 3000),
    "schema": Target(schema, (_SCHEMA, b'{"properties":[{"name":"a","editor":"select"}]}')),
    "order": Target(order, (_order(), _order(kind="probe", bundle=None), _order(bundle="@/x/.."))),
}


WORDS = (
    b"\r\n", b"\n", b"\0", b"\xff", b"\x80", b"..", b"/", b"\\", b"%", b":", b"@", b"\x05\x01\x00",
    b"PK\x01\x02", b"PK\x05\x06", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\0", b"0\r\n",
    b"-1", b"1e999", b'"', b"[[", b"{}", b"null", b"true", b"\\u0000", b"\\ud800", b"\x3f\xe1\x1f",
)  # fmt: skip
