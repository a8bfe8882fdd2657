"""A module proxy on loopback, with one small module."""

from __future__ import annotations

import io
import json
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

NAME, VERSION = "example.test/greet", "v1.0.0"
_SOURCE = 'package greet\n\nfunc Greet() string { return "hello from a module" }\n'
_MODULE = f"module {NAME}\n\ngo 1.20\n"


def _archive() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        made.writestr(f"{NAME}@{VERSION}/go.mod", _MODULE)
        made.writestr(f"{NAME}@{VERSION}/greet.go", _SOURCE)
    return out.getvalue()


@contextmanager
def module_proxy() -> Iterator[tuple[str, list[str]]]:
    """Its address, and the paths of its requests."""
    info = json.dumps({"Version": VERSION}).encode()
    files = {"list": f"{VERSION}\n".encode(), f"{VERSION}.info": info}
    files |= {f"{VERSION}.mod": _MODULE.encode(), f"{VERSION}.zip": _archive()}
    pages = {f"/{NAME}/@v/{name}": content for name, content in files.items()}
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            content = pages.get(self.path)
            self.send_response(404 if content is None else 200)
            self.send_header("content-length", str(len(content or b"")))
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
