"""A site whose rows exist only after its script has run."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

ROWS = [{"name": f"item {number}", "price": 3 * number} for number in range(1, 6)]
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Without a script</title></head>
<body><main><h1>Items of a shop</h1>
<p>Each of these items has a name and a price. None of them is part of the page that the server
sends: a script asks for them when the page is open, and adds one line for each. A program that only
reads the page sees this text and an empty list, as in many shops today.</p>
<ul id="list"></ul></main>
<script>
fetch("/items.json").then((answer) => answer.json()).then((items) => {
  for (const { name, price } of items) {
    const item = document.createElement("li");
    item.className = "item";
    item.dataset.price = price;
    item.textContent = name;
    document.getElementById("list").append(item);
  }
  document.title = "With a script";
});
</script></body></html>
"""
FILES = {
    "/": ("text/html; charset=utf-8", _PAGE.encode()),
    "/items.json": ("application/json", json.dumps(ROWS).encode()),
}
LEAST_BYTES = sum(len(content) for _, content in FILES.values())


@dataclass
class JavascriptSite:
    """``requests`` are the paths that were asked for."""

    port: int
    requests: list[str]

    @property
    def target(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self.target}/"


@contextmanager
def javascript_site(
    files: Mapping[str, tuple[str, bytes]] = FILES,
    on_request: Callable[[str], None] | None = None,
    **headers: str,
) -> Iterator[JavascriptSite]:
    """``files`` are media type and content by path. ``on_request`` gets each path before it is
    answered. ``headers`` are those of all answers, with ``_`` for ``-``.
    """
    requests: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 5  # of an idle connection

        def do_GET(self) -> None:
            requests.append(self.path)
            if on_request is not None:
                on_request(self.path)
            kind, content = files.get(self.path, ("text/plain", b""))
            self.send_response(200 if self.path in files else 404)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Be silent."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield JavascriptSite(server.server_port, requests)
        finally:
            server.shutdown()
            thread.join()
