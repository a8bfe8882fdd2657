"""The sites that the tour crawls by default, on loopback: Python's own documentation server, and
the same with a page that needs JavaScript.
"""

from __future__ import annotations

import contextlib
import html
import importlib
import json
import re
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from fyke.cli.errors import CommandFailed

SCRIPTED_PAGE = "/javascript.html"
_DATA = "/modules.json"
# pages of that server
MODULES = ("csv", "html", "json", "pathlib", "sqlite3", "string", "textwrap", "zipfile")
_PAGE = """<!doctype html>
<html lang="en"><title>Loading</title>
<main id="modules"></main><noscript>This page needs JavaScript.</noscript>
<script>
fetch("/modules.json").then((answer) => answer.json()).then((found) => {
  document.title = "Modules of Python";
  modules.innerHTML = "<h1>Modules of Python</h1>" + found.map(
    (module) => `<p><a href="/${module.name}.html">${module.name}</a>: ${module.text}</p>`
  ).join("");
});
</script>
"""


@contextlib.contextmanager
def documentation(*, scripted: bool = False) -> Iterator[str]:
    """Python's HTML documentation server on a free loopback port; yields the address to start at.
    With ``scripted`` it starts at a page whose content is made by a script, which links to others.
    """
    with pydoc_server() as port:
        if not scripted:
            yield f"http://127.0.0.1:{port}/"
            return
        with _scripted_site(port) as own_port:
            yield f"http://127.0.0.1:{own_port}{SCRIPTED_PAGE}"


@contextlib.contextmanager
def pydoc_server() -> Iterator[int]:
    """Python's HTML documentation server on a free loopback port; yields the port."""
    process = subprocess.Popen(
        [sys.executable, "-I", "-u", "-m", "pydoc", "-n", "127.0.0.1", "-p", "0"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd="/",
    )
    try:
        assert process.stdout is not None  # noqa: S101 - a pipe
        for line in process.stdout:
            match = re.search(r"http://[^:]+:(\d+)/", line)
            if match:
                yield int(match[1])
                return
        raise CommandFailed("Python's documentation server did not start (python3 -m pydoc -p 0)")
    finally:
        if process.stdin is not None:
            process.stdin.close()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def _scripted_site(pydoc_port: int) -> Iterator[int]:
    """A server with the page that needs JavaScript; all other pages are those of pydoc."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == SCRIPTED_PAGE:
                self._send(200, "text/html; charset=utf-8", _PAGE.encode())
            elif self.path == _DATA:
                self._send(200, "application/json", json.dumps(_modules()).encode())
            else:
                self._relay()

        def _relay(self) -> None:
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            try:
                with opener.open(f"http://127.0.0.1:{pydoc_port}{self.path}", timeout=30) as page:
                    self._send(page.status, page.headers["Content-Type"], page.read())
            except OSError:
                self._send(404, "text/plain", b"not found")

        def _send(self, status: int, media_type: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", media_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Print nothing: the tour prints what it does."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield server.server_port
        finally:
            server.shutdown()


def _modules() -> list[dict[str, str]]:
    """Some modules of the standard library, with what their documentation begins with, as HTML."""
    found = []
    for name in MODULES:
        text = (importlib.import_module(name).__doc__ or "").strip().partition("\n\n")[0]
        found.append({"name": name, "text": html.escape(" ".join(text.split()))})
    return found
