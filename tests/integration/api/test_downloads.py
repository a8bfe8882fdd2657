"""Downloads over real sockets: interrupted and resumed, slow, stalled, from two servers."""

from __future__ import annotations

import asyncio
import gzip
import http.client
import itertools
import json
import re
import socket
import struct
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from fyke.api.protocol import LimitedProtocol
from fyke.domain.results.export.formats import FORMATS
from fyke.kit.compression import ENCODINGS
from fyke.kit.zstd import zstd_module
from fyke.model.results import AttemptBatch, PushedRow
from support.api import start_body
from support.served import Served, served

EXPORT = "/api/v1/run/result/export"
DECOMPRESS: dict[str, Any] = {"gzip": gzip.decompress, "zstd": zstd_module().decompress}
ROWS = [
    {"n": n, "title": f"Zeile {n}", "price": n / 7, "more": {"a": n % 5, "b": None}}
    for n in range(3000)
]


@pytest.fixture
def server(tmp_path: Path, templates: Path) -> Iterator[Served]:
    with served(tmp_path, templates) as server:
        yield server


def call(server: Served, path: str, body: Any) -> Any:
    parts = urlsplit(server.base_url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=120)
    headers = {"api-key": server.app.owner_key, "content-type": "application/json"}
    connection.request("POST", path, json.dumps(body), headers)
    answer = json.loads(connection.getresponse().read())
    connection.close()
    assert answer["code"] == 0, answer
    return answer["data"]


def a_run(server: Served, rows: Any = ROWS, *, ended: bool = True) -> str:
    """A run with these rows, ended or still running."""
    worker = server.do(server.app.publish())
    run = str(call(server, "/api/v1/scraper/run", start_body(worker.id))["run_slug"])
    if ended:
        server.do(server.app.execute(rows, log=[f"line {n}" for n in range(500)]))
    else:

        async def begin() -> None:
            leases = await server.app.begin()
            await server.app.push(leases[0], rows)

        server.do(begin())
    return run


def link(server: Served, run: str, format: str, **options: Any) -> str:
    data = call(server, EXPORT, {"run_slug": run, "format": format, **options})
    return str(data["download_url"])


class Answer:
    def __init__(self, url: str, method: str = "GET", **headers: str) -> None:
        parts = urlsplit(url)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=120)
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, parts.path, headers=names)
        answer = connection.getresponse()
        self.status = answer.status
        self.headers = {name.lower(): value for name, value in answer.getheaders()}
        self.body = answer.read()
        connection.close()


@pytest.mark.slow
@pytest.mark.parametrize("format", FORMATS)
def test_a_part_of_a_file_can_be_requested(server: Served, format: str) -> None:
    url = link(server, a_run(server), format)
    full_answer = Answer(url)
    size, tag = len(full_answer.body), full_answer.headers["etag"]
    assert (full_answer.status, full_answer.headers["accept-ranges"]) == (200, "bytes")
    assert re.fullmatch('"[0-9a-f]{40}"', tag)
    described = Answer(url, "HEAD")
    assert (described.status, described.body) == (200, b"")
    assert described.headers["content-length"] == str(size)
    assert (described.headers["etag"], described.headers["accept-ranges"]) == (tag, "bytes")
    parts = b""
    for begin, end in itertools.pairwise((0, 1, size // 3, size // 2, size)):
        part = Answer(url, range=f"bytes={begin}-{end - 1}", if_range=tag)
        assert (part.status, part.headers["etag"]) == (206, tag)
        assert part.headers["content-range"] == f"bytes {begin}-{end - 1}/{size}"
        assert part.headers["content-length"] == str(end - begin)
        parts += part.body
    assert parts == full_answer.body
    assert Answer(url, range="bytes=-5").body == full_answer.body[-5:]


@pytest.mark.slow
def test_unsupported_ranges_are_ignored_or_refused(server: Served) -> None:
    url = link(server, a_run(server), "csv")
    full_answer = Answer(url)
    for headers in (
        {"range": "bytes=0-1,4-5"},
        {"range": "rows=1-2"},
        {"range": "bytes=9-3"},
        {"range": "bytes=5-", "if_range": '"other"'},
        {"range": "bytes=5-", "if_range": "Tue, 24 Nov 2026 19:00:00 GMT"},
    ):
        answer = Answer(url, **headers)
        assert (answer.status, answer.body) == (200, full_answer.body)
        assert "content-range" not in answer.headers
    behind = Answer(url, range=f"bytes={len(full_answer.body)}-")
    assert (behind.status, behind.body) == (416, b"")
    assert behind.headers["content-range"] == f"bytes */{len(full_answer.body)}"
    unchanged = Answer(url, if_none_match=full_answer.headers["etag"])
    assert (unchanged.status, unchanged.body) == (304, b"")


def test_the_file_of_a_running_run_has_no_ranges(server: Served) -> None:
    url = link(server, a_run(server, ROWS[:50], ended=False), "jsonl")
    answer = Answer(url, range="bytes=5-")
    assert (answer.status, answer.headers["accept-ranges"]) == (200, "none")
    assert len(answer.body.splitlines()) == 50
    assert "etag" not in answer.headers
    described = Answer(url, "HEAD")
    assert (described.status, described.body) == (200, b"")


def test_the_log_of_an_ended_run_has_ranges_too(server: Served) -> None:
    run = a_run(server, ROWS[:1])
    url = call(server, "/api/v1/run/last/log", {"run_slug": run})["all_logs_url"]
    full_answer = Answer(url)
    assert full_answer.body.count(b"\n") >= 500
    part = Answer(url, range="bytes=1000-", if_range=full_answer.headers["etag"])
    assert (part.status, part.body) == (206, full_answer.body[1000:])


@pytest.mark.slow
def test_a_file_that_is_generated_again_has_the_same_bytes(server: Served) -> None:
    run = a_run(server)
    links = {name: link(server, run, name, sort="-price") for name in FORMATS}
    first = {name: Answer(url) for name, url in links.items()}
    created_at = time.time() // 2
    while time.time() // 2 == created_at:  # a ZIP stores times in steps of two seconds
        time.sleep(0.05)
    server.do(server.app.services.spool.close())
    for name, url in links.items():
        rest = Answer(url, range="bytes=100-", if_range=first[name].headers["etag"])
        assert (rest.status, rest.body) == (206, first[name].body[100:]), name


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_file_is_compressed_for_clients_that_ask_for_it(server: Served, encoding: str) -> None:
    url = link(server, a_run(server), "csv")
    plain, answer = Answer(url), Answer(url, accept_encoding=encoding)
    assert plain.headers["vary"] == answer.headers["vary"] == "accept-encoding"
    assert "content-encoding" not in plain.headers
    assert answer.headers["content-encoding"] == encoding
    assert answer.headers["content-type"] == plain.headers["content-type"]
    assert len(answer.body) < len(plain.body) // 2
    assert DECOMPRESS[encoding](answer.body) == plain.body
    tag = answer.headers["etag"]
    assert tag != plain.headers["etag"]
    described = Answer(url, "HEAD", accept_encoding=encoding)
    assert (described.status, described.body, described.headers["etag"]) == (200, b"", tag)
    assert described.headers["content-length"] == str(len(answer.body))
    assert described.headers["content-encoding"] == encoding
    unchanged = Answer(url, if_none_match=tag, accept_encoding=encoding)
    assert (unchanged.status, unchanged.body) == (304, b"")
    assert (unchanged.headers["etag"], unchanged.headers["vary"]) == (tag, "accept-encoding")
    assert Answer(url, if_none_match=tag).status == 200, "the client cannot read that file"


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_part_is_one_of_the_plain_file_without_the_tag_of_a_compressed_one(
    server: Served, encoding: str
) -> None:
    url = link(server, a_run(server), "jsonl")
    plain, answer = Answer(url), Answer(url, accept_encoding=encoding)
    for options in ({}, {"if_range": plain.headers["etag"]}):
        part = Answer(url, range="bytes=1000-", accept_encoding=encoding, **options)
        assert (part.status, part.body) == (206, plain.body[1000:])
        assert "content-encoding" not in part.headers
    server.do(server.app.services.spool.close())  # the rest is generated again
    options = {"if_range": answer.headers["etag"], "accept_encoding": encoding}
    part = Answer(url, range="bytes=1000-", **options)
    assert (part.status, part.body) == (206, answer.body[1000:])
    assert part.headers["content-encoding"] == encoding
    assert part.headers["content-range"] == f"bytes 1000-{len(answer.body) - 1}/{len(answer.body)}"
    behind = Answer(url, range=f"bytes={len(answer.body)}-", **options)
    assert (behind.status, behind.headers["vary"]) == (416, "accept-encoding")


def test_a_compressed_format_is_not_compressed_again(server: Served) -> None:
    url = link(server, a_run(server, ROWS[:10]), "xlsx")
    plain, answer = Answer(url), Answer(url, accept_encoding="gzip, zstd")
    assert (answer.body, answer.headers["etag"]) == (plain.body, plain.headers["etag"])
    assert not {"content-encoding", "vary"} & answer.headers.keys()


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_the_file_of_a_running_run_is_compressed_too(server: Served, encoding: str) -> None:
    url = link(server, a_run(server, ROWS[:50], ended=False), "jsonl")
    for method, size in (("GET", 50), ("HEAD", 0)):
        answer = Answer(url, method, accept_encoding=encoding)
        assert (answer.status, answer.headers["content-encoding"]) == (200, encoding)
        assert "etag" not in answer.headers and answer.headers["vary"] == "accept-encoding"
        assert not size or DECOMPRESS[encoding](answer.body).count(b"\n") == size


@pytest.mark.needs("curl")
def test_curl_resumes_a_broken_download(server: Served, tmp_path: Path) -> None:
    url = link(server, a_run(server), "csv")
    content = Answer(url).body
    part = tmp_path / "part.csv"
    part.write_bytes(take_and_drop(url, 40_000))
    assert 0 < part.stat().st_size < len(content)
    subprocess.run(["curl", "-sS", "--fail", "-C", "-", "-o", part, url], check=True, timeout=60)
    assert part.read_bytes() == content


def take_and_drop(url: str, size: int) -> bytes:
    """Read the first bytes of a body, then reset the connection."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=120)
    connection.request("GET", parts.path)
    beginning = connection.getresponse().read(size)
    assert connection.sock is not None
    connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
    return beginning


def test_an_aborted_first_download_leaves_the_file_for_the_second(server: Served) -> None:
    big = [{"n": n, "text": "x" * 2000} for n in range(3000)]
    url = link(server, a_run(server, big), "json")
    started = take_and_drop(url, 100_000)
    rest = Answer(url, range=f"bytes={len(started)}-")
    assert rest.status == 206
    assert [row["n"] for row in json.loads(started + rest.body)] == list(range(3000))


@pytest.mark.slow
def test_a_client_that_reads_nothing_is_disconnected_and_a_slow_one_is_not(
    server: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LimitedProtocol, "idle_seconds", 1.0)
    big = [{"n": n, "text": "x" * 10_000} for n in range(2000)]
    url = link(server, a_run(server, big), "json")
    size = int(Answer(url, "HEAD").headers["content-length"])
    parts = urlsplit(url)
    request = f"GET {parts.path} HTTP/1.1\r\nhost: {parts.netloc}\r\n\r\n".encode()
    stalled, slow = socket.socket(), socket.socket()
    for connection in (stalled, slow):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
        connection.settimeout(30)
        connection.connect((parts.hostname, parts.port))
        connection.sendall(request)
    read_bytes = 0
    for _ in range(25):  # reading continuously, for longer than the limit
        read_bytes += len(slow.recv(64 * 1024))
        time.sleep(0.1)
    while piece := slow.recv(1 << 20):
        read_bytes += len(piece)
        if read_bytes >= size:
            break
    assert read_bytes >= size
    with pytest.raises(ConnectionResetError):
        while stalled.recv(1 << 20):
            pass
    stalled.close()
    slow.close()


def test_a_file_that_does_not_fit_is_still_sent(
    server: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = a_run(server)
    url = link(server, run, "jsonl")
    content = Answer(url).body
    server.do(server.app.services.spool.close())
    monkeypatch.setattr(server.app.services.spool, "_limit", 100_000)
    answer = Answer(url, range="bytes=10-")
    assert (answer.status, answer.headers["accept-ranges"]) == (200, "none")
    assert answer.body == content


def test_without_a_folder_for_downloads_all_but_xls_is_sent(
    server: Served, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As on a disk that was already full when the server started."""
    run = a_run(server)
    urls = [link(server, run, name) for name in ("csv", "xlsx")]
    sent = {url: Answer(url).body for url in urls}
    book = link(server, run, "xls")
    services = server.app.services
    server.do(services.spool.close())
    (tmp_path / "file").touch()
    monkeypatch.setattr(services.spool, "_parent", tmp_path / "file")
    monkeypatch.setattr(services.exports, "_scratch", tmp_path / "missing")
    for url, body in sent.items():
        answer = Answer(url)
        assert (answer.status, answer.body) == (200, body)
    answer = Answer(book)
    assert answer.status == 503
    assert "choose a format such as csv" in json.loads(answer.body)["message"]


def test_a_file_that_runs_out_of_space_during_the_download_is_complete(
    server: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    big = [{"n": n, "text": "x" * 2000} for n in range(3000)]
    url = link(server, a_run(server, big), "json")
    monkeypatch.setattr(server.app.services.spool, "_limit", 3_000_000)
    answer = Answer(url)
    assert [row["n"] for row in json.loads(answer.body)] == list(range(3000))


def peak_reset() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def memory(name: str) -> int:
    text = Path("/proc/self/status").read_text()
    match = re.search(rf"{name}:\s+(\d+) kB", text)
    assert match is not None
    return int(match[1]) * 1024


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rows", "seconds"),
    [
        (20_000, 1.0),
        pytest.param(1_000_000, 20.0, marks=[pytest.mark.long, pytest.mark.timeout(600)]),
    ],
)
def test_twenty_slow_readers_use_no_memory_and_keep_no_transaction_open(
    server: Served, tmp_path: Path, rows: int, seconds: float
) -> None:
    run = a_run(server, [{"n": 0}])
    page = [PushedRow(b'{"n":%d,"text":"%s"}' % (n, b"x" * 240)) for n in range(1000)]

    async def fill() -> None:
        results = server.app.results
        await results.open_attempt(run, "more")
        for _ in range(rows // 1000):
            await results.commit([AttemptBatch(run, "more", page)])

    asyncio.run_coroutine_threadsafe(fill(), server.loop).result(300)
    url = link(server, run, "csv")
    assert int(Answer(url, "HEAD").headers["content-length"]) > rows * 240
    parts = urlsplit(url)
    request = f"GET {parts.path} HTTP/1.1\r\nhost: {parts.netloc}\r\n\r\n".encode()
    readers = []
    peak_reset()
    before = memory("VmRSS")
    for _ in range(20):
        reader = socket.socket()
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32 * 1024)
        reader.connect((parts.hostname, parts.port))
        reader.sendall(request)
        readers.append(reader)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        for reader in readers:
            assert reader.recv(2048)
        time.sleep(0.2)  # so that each client reads 10 kB per second
    grown = memory("VmHWM") - before
    # writes are not blocked by the readers, and the WAL does not grow
    server.do(fill_one(server, run, page))
    assert (tmp_path / "rows.db-wal").stat().st_size < 64 * 2**20
    for reader in readers:
        reader.close()
    assert grown < 64 * 2**20


async def fill_one(server: Served, run: str, page: list[PushedRow]) -> None:
    for _ in range(100):
        await server.app.results.commit([AttemptBatch(run, "more", page)])
