"""A copy of the practice site of the templates, behind a SOCKS5 proxy that answers for every site.

The templates run unchanged with it: the platform sends their requests to this proxy, as to that of
a region, and the proxy answers them itself.
"""

from __future__ import annotations

import html
import json
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, ClassVar

HOST = "quotes.toscrape.com"
PAGES = 3
ROWS_OF_PAGE = 4
_HEADER = '<!doctype html><html lang="en"><meta charset="utf-8"><title>Quotes to Scrape</title>'
_SCRIPT = """<div id="quotes"></div><script>
for (const quote of DATA) {
  const tags = quote.tags.map((tag) => `<a class="tag">${tag}</a>`).join(" ");
  quotes.insertAdjacentHTML("beforeend", `<div class="quote"><span class="text">${quote.text}</span>
    by <small class="author">${quote.author}</small> ${tags}</div>`);
}
</script>"""


@dataclass
class PracticeSite:
    """``hosts`` has the name and port of each connection."""

    port: int
    hosts: list[str]

    @property
    def upstream(self) -> str:
        return f"socks5h://127.0.0.1:{self.port}"


def rows_of(folder: str, count: int) -> list[dict[str, Any]]:
    """The first ``count`` rows that a Worker finds from ``http://HOST/`` and ``folder`` on."""
    rows = []
    for page in range(1, PAGES + 1):
        path = folder if page == 1 else f"{folder}page/{page}/"
        rows += [quote | {"url": f"http://{HOST}{path}"} for quote in _quotes(page)]
    return rows[:count]


def _quotes(page: int) -> list[dict[str, Any]]:
    first = (page - 1) * ROWS_OF_PAGE + 1
    return [
        {"text": f"“Number {n} & more”", "author": f"Author {n}", "tags": ["all", f"tag-{n}"]}
        for n in range(first, first + ROWS_OF_PAGE)
    ]


def _page(path: str) -> str | None:
    folder = "/js/" if path.startswith("/js/") else "/"
    rest = path.removeprefix(folder).removeprefix("page/").removesuffix("/") or "1"
    if not rest.isdecimal() or not 1 <= int(rest) <= PAGES:
        return None
    quotes = _quotes(int(rest))
    if folder == "/js/":
        body = _SCRIPT.replace("DATA", json.dumps(quotes).replace("&", "\\u0026amp;"))
    else:
        body = "".join(map(_quote, quotes))
    if int(rest) < PAGES:
        body += f'<ul class="pager"><li class="next"><a href="{folder}page/{int(rest) + 1}/">Next'
        body += ' <span aria-hidden="true">&rarr;</span></a></li></ul>'
    return _HEADER + body


def _quote(quote: dict[str, Any]) -> str:
    tags = " ".join(f'<a class="tag" href="/tag/{tag}/">{tag}</a>' for tag in quote["tags"])
    text = html.escape(quote["text"])
    return f"""<div class="quote"><span class="text">{text}</span>
    <span>by <small class="author">{quote["author"]}</small></span>
    <div class="tags">Tags: {tags}</div></div>"""


class SocksHandler(BaseHTTPRequestHandler):
    """Answers requests to every site. ``hosts`` has the name and port of each connection."""

    protocol_version = "HTTP/1.1"
    timeout = 5  # seconds, of an idle connection
    hosts: ClassVar[list[str]] = []

    def handle(self) -> None:
        if self._accept():
            super().handle()

    def _accept(self) -> bool:
        """Greet the client as a SOCKS5 proxy without a login, and pretend to connect."""
        version, methods = self.rfile.read(2) or b"\0\0"
        if version != 5:
            return False
        self.rfile.read(methods)
        self.wfile.write(b"\5\0")
        kind = self.rfile.read(4)[3]
        if kind == 3:
            host = self.rfile.read(self.rfile.read(1)[0]).decode()
        else:
            host = self.rfile.read(4 if kind == 1 else 16).hex()
        [port] = struct.unpack("!H", self.rfile.read(2))
        self.hosts.append(f"{host}:{port}")
        self.wfile.write(b"\5\0\0\1" + bytes(6))
        return True

    def log_message(self, *_: object) -> None:
        return


@contextmanager
def serve_site(handler: type[SocksHandler]) -> Iterator[int]:
    """Serve it on loopback while the context is open; the value is the port."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def practice_site() -> Iterator[PracticeSite]:
    """Serve it on loopback while the context is open."""

    class Handler(SocksHandler):
        hosts: ClassVar[list[str]] = []

        def do_GET(self) -> None:
            page = _page(self.path)
            content = (page or "not found").encode()
            self.send_response(404 if page is None else 200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    with serve_site(Handler) as port:
        yield PracticeSite(port, Handler.hosts)
