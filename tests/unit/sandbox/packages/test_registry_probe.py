"""The hosts of a registry's files; the registry is a real server on loopback."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from fyke.sandbox.packages.registry_probe import links, probe_registry, registry_locations

BASE = "https://base.invalid/simple/protobuf/"


@contextmanager
def page(content: bytes, status: int = 200) -> Iterator[tuple[int, list[str | None]]]:
    """A server with one page: its port, and the ``Authorization`` of each request."""
    authorizations: list[str | None] = []

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            authorizations.append(self.headers["Authorization"])
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.server_port, authorizations
        finally:
            server.shutdown()
            thread.join()


def test_links_of_a_python_index_are_relative_to_its_page() -> None:
    document = {"files": [{"url": "https://files.invalid:8443/a.whl"}, {"url": "../b.whl"}, {}]}
    assert links(document) == ["https://files.invalid:8443/a.whl", "../b.whl"]
    assert registry_locations(BASE, links(document)) == [
        ["https", "files.invalid", 8443],
        ["https", "base.invalid", 443],
    ]


def test_links_of_npm_are_the_tarballs_of_all_versions() -> None:
    versions = {"1.0.0": {"dist": {"tarball": "http://npm.invalid/a.tgz"}}, "1.0.1": {}}
    assert links({"dist-tags": {}, "versions": versions}) == ["http://npm.invalid/a.tgz"]
    assert links({"versions": versions}) == []  # an index names its versions in a list


@pytest.mark.parametrize(
    "document",
    [
        [],
        "text",
        {"files": 5},
        {"files": ["a"]},
        {"files": [{"url": 5}]},
        {"dist-tags": {}, "versions": ["1.0.0"]},
        {"dist-tags": {}, "versions": {"1.0.0": "text", "1.0.1": {"dist": "text"}}},
    ],
)
def test_a_document_of_another_shape_has_no_links(document: object) -> None:
    assert links(document) == []


def test_invalid_addresses_are_skipped() -> None:
    addresses = ["http://[broken", "http://a.invalid:99999/", "ftp://b.invalid/", "mailto:x"]
    assert registry_locations(BASE, [*addresses, "//c.invalid/x"]) == [["https", "c.invalid", 443]]


def test_locations_are_distinct_and_at_most_twenty() -> None:
    assert registry_locations(BASE, ["a", "b", "/c"]) == [["https", "base.invalid", 443]]
    many = [f"https://{number}.invalid/" for number in range(30)]
    assert registry_locations(BASE, many) == [
        ["https", f"{number}.invalid", 443] for number in range(20)
    ]


def test_links_of_an_html_page_are_read() -> None:
    content = (
        b"<A class=x HREF = \"https://one.invalid/a.whl#sha256=0\">a</a><a href='\xff/b'>b</a>"
    )
    with page(content) as (port, _):
        assert probe_registry(f"http://127.0.0.1:{port}/simple/", {}) == [
            ["https", "one.invalid", 443],
            ["http", "127.0.0.1", port],
        ]


def test_a_login_in_the_address_is_not_sent_but_the_headers_are() -> None:
    document = json.dumps({"files": [{"url": "/a.whl"}]}).encode()
    with page(document) as (port, authorizations):
        address = f"http://user:pass@127.0.0.1:{port}/simple/"
        assert probe_registry(address, {"Authorization": "Basic x"}) == [
            ["http", "127.0.0.1", port]
        ]
        probe_registry(address, {})
    assert authorizations == ["Basic x", None]


def test_a_page_that_cannot_be_read_is_null(capsys: pytest.CaptureFixture[str]) -> None:
    for status in (429, 503):
        with page(b"later", status=status) as (port, _):
            address = f"http://user:secret@127.0.0.1:{port}/"
            assert probe_registry(address, {}) is None
    assert probe_registry(address, {}) is None  # the server has ended
    errors = capsys.readouterr().err
    assert "127.0.0.1: HTTP Error 503" in errors
    assert "secret" not in errors


@pytest.mark.parametrize("status", [401, 404])
def test_a_page_that_the_registry_refuses_has_no_links(status: int) -> None:
    with page(b"no such package", status=status) as (port, _):
        assert probe_registry(f"http://127.0.0.1:{port}/", {}) == []


def test_a_page_that_is_neither_json_nor_html_has_no_links() -> None:
    with page(b"[" * 200_000) as (port, _):
        assert probe_registry(f"http://127.0.0.1:{port}/", {}) == []
