"""A small site on a loopback port with valid and faulty pages for crawlers."""

from __future__ import annotations

import gzip
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

HTML = "text/html; charset=utf-8"
PROSE = (
    "The harbour town lies between two hills, and for most of the year the wind comes from the "
    "sea. It was founded by fishermen who had no other place to go, as the chronicle says, and "
    "it has kept their stubbornness: when the railway came, the people refused to sell the land. "
)
GERMAN = (
    "Die Stadt liegt zwischen zwei Hügeln, und die meiste Zeit des Jahres weht der Wind von der "
    "See. Sie wurde von Fischern gegründet, die nicht wussten, wohin sie sonst gehen sollten, "
    "wie es in der Chronik heißt, und für die es auch keinen anderen Platz gab. "
)


def page(title: str, *links: str, body: str = "", head: str = "") -> bytes:
    anchors = "".join(f'<li><a href="{link}">{link}</a></li>' for link in links)
    return (
        f"<!DOCTYPE html><html><head><title>{title}</title>{head}</head><body>"
        f"<nav><a href='/menu-entry'>Menu that is no content</a></nav>"
        f"<main><h1>{title}</h1>{body}<ul>{anchors}</ul></main>"
        f"<footer>Imprint that is no content</footer></body></html>"
    ).encode()


ARTICLE = f"""<p>{PROSE}</p><h2>Trade</h2><p>{PROSE * 2}</p>
<table><tr><th>Year</th><th>Ships</th></tr><tr><td>1900</td><td>12</td></tr></table>
<pre>def ships():
    return 12</pre><p>See <a href="/b?x=1&amp;y=2#top">the <b>list</b></a>.</p>"""
HEAD = """<meta name="description" content="About a  harbour">
<link rel="canonical" href="/article?from=canonical">"""


class Site:
    """Answers requests by path, and keeps them with their times."""

    def __init__(self) -> None:
        self.requests: list[tuple[float, str, dict[str, str]]] = []
        self.tries: Counter[str] = Counter()
        self.port = 0
        self.pages: dict[str, tuple[int, dict[str, str], bytes]] = {}
        self.release = threading.Event()  # ends the requests that wait at /hangs

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def paths(self) -> list[str]:
        return [path for _, path, _ in self.requests]

    def put(
        self, path: str, body: bytes, kind: str = HTML, status: int = 200, **options: str
    ) -> None:
        headers = {name.replace("_", "-"): value for name, value in options.items()}
        self.pages[path] = (status, {"Content-Type": kind, **headers}, body)

    def fill(self) -> None:
        self.put(
            "/",
            page(
                "Home",
                "/article",
                "/b?x=1&amp;y=2",
                "/old",
                "/missing",
                "/busy",
                "/data.bin",
                "/loop",
                "/private/x",
                "/latin",
                "/away",
                "#top",
                "/article#part",
                "mailto:a@b",
            ),
        )
        self.put("/article", page("The harbour", "/deep", body=ARTICLE, head=HEAD))
        self.put("/b?x=1&y=2", page("List", "/article"))
        self.put("/deep", page("Deep", "/deeper"))
        self.put("/deeper", page("Deeper"))
        self.put("/old", b"", status=301, Location="article-new")
        self.put("/article-new", page("New article"))
        self.put("/loop", b"", status=302, Location="/loop")
        self.put("/away", b"", status=302, Location="http://localhost:1/elsewhere")
        self.put("/data.bin", bytes(range(256)) * 100, "application/octet-stream")
        self.put("/latin", page("Grüße", body=f"<p>{GERMAN * 2}</p>").decode().encode("latin-1"))
        self.put("/robots.txt", b"User-agent: *\nDisallow: /private/\n", "text/plain")
        self.put("/private/x", page("Private"))
        self.put("/index.xml", self._index(), "application/xml")
        self.put(
            "/one.xml.gz", gzip.compress(self._urls("/mapped-1", "/article")), "application/gzip"
        )
        self.put("/mapped-1", page("Mapped one", "/deep"))

    def _index(self) -> bytes:
        places = "".join(
            f"<sitemap><loc>{self.base}/{name}</loc></sitemap>"
            for name in ("one.xml.gz", "gone.xml")
        )
        return f"<sitemapindex xmlns='http://x/'>{places}</sitemapindex>".encode()

    def _urls(self, *paths: str) -> bytes:
        places = "".join(f"<url><loc>{self.base}{path}</loc></url>" for path in paths)
        return f"<?xml version='1.0'?><urlset xmlns='http://x/'>{places}</urlset>".encode()

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        path = handler.path
        self.requests.append((time.monotonic(), path, dict(handler.headers)))
        self.tries[path] += 1
        if path == "/busy" and self.tries[path] == 1:
            send(handler, 429, {"Retry-After": "1", "Content-Type": HTML}, b"later")
        elif path == "/busy":
            send(handler, 200, {"Content-Type": HTML}, page("Not busy any more"))
        elif path == "/endless":
            endless(handler)
        elif path == "/bomb":
            bomb = gzip.compress(bytes(200 * 1024 * 1024), 9)
            send(handler, 200, {"Content-Type": HTML, "Content-Encoding": "gzip"}, bomb)
        elif path == "/hangs":
            self.release.wait(60)
        elif path == "/cut":
            handler.send_response(200)
            handler.send_header("Content-Type", HTML)
            handler.send_header("Content-Length", "5000")
            handler.end_headers()
            handler.wfile.write(b"<html>half")
            handler.close_connection = True
        else:
            response = self.pages.get(path, (404, {"Content-Type": HTML}, page("Not found")))
            send(handler, *response)


def send(
    handler: BaseHTTPRequestHandler, status: int, headers: dict[str, str], body: bytes
) -> None:
    handler.send_response(status)
    for name, value in {**headers, "Content-Length": str(len(body))}.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(body)


def endless(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Type", HTML)
    handler.send_header("Connection", "close")
    handler.end_headers()
    handler.close_connection = True
    while True:
        handler.wfile.write(b"<p>and so on</p>" * 4096)


@contextmanager
def site() -> Iterator[Site]:
    """A filled site that is being served."""
    running = Site()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            try:
                running.answer(self)
            except OSError:  # the crawler has closed the connection
                self.close_connection = True

        def log_message(self, *arguments: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *arguments: Any) -> None:
            """Ignore it: crawlers close connections early."""

    server = Server(("127.0.0.1", 0), Handler)
    running.port = server.server_address[1]
    running.fill()
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield running
    finally:
        running.release.set()
        server.shutdown()
        thread.join()
        server.server_close()
