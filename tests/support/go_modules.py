"""A module proxy on loopback, with one small module; it may ask for a login."""

from __future__ import annotations

import base64
import io
import json
import ssl
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

NAME, VERSION = "example.test/greet", "v1.0.0"
_SOURCE = 'package greet\n\nfunc Greet() string { return "hello from a module" }\n'
_MODULE = f"module {NAME}\n\ngo 1.20\n"


def _archive() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(f"{NAME}@{VERSION}/go.mod", _MODULE)
        archive.writestr(f"{NAME}@{VERSION}/greet.go", _SOURCE)
    return out.getvalue()


@contextmanager
def module_proxy(
    user: str = "", password: str = "", certificates: Path | None = None
) -> Iterator[tuple[str, list[str]]]:
    """Serve it; yield its address and the list of requested paths. With ``user`` requests need that
    login. ``certificates``: a folder of ``make_authority``; Go sends logins by https only.
    """
    token = base64.b64encode(f"{user}:{password}".encode()).decode()
    info = json.dumps({"Version": VERSION}).encode()
    files = {"list": f"{VERSION}\n".encode(), f"{VERSION}.info": info}
    files |= {f"{VERSION}.mod": _MODULE.encode(), f"{VERSION}.zip": _archive()}
    pages = {f"/{NAME}/@v/{name}": content for name, content in files.items()}
    paths: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            paths.append(self.path)
            content = pages.get(self.path)
            refused = user and self.headers.get("authorization") != f"Basic {token}"
            self.send_response(401 if refused else 404 if content is None else 200)
            content = b"" if refused else content
            self.send_header("content-length", str(len(content or b"")))
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if certificates is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificates / "site.pem", certificates / "site.key")
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        scheme = "http" if certificates is None else "https"
        yield f"{scheme}://127.0.0.1:{server.server_address[1]}", paths
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
