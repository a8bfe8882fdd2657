"""An npm registry on loopback with a few hand-made packages."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import shutil
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from fyke.sandbox.packages.environment_node import refuses_addresses


def tarball(package: dict[str, Any]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        files = {"package.json": json.dumps(package), "index.js": "module.exports = 'here'\n"}
        for name, text in files.items():
            info = tarfile.TarInfo(f"package/{name}")
            info.size = len(text)
            info.mtime = 0
            archive.addfile(info, io.BytesIO(text.encode()))
    return gzip.compress(out.getvalue(), mtime=0)


class Registry:
    """An npm registry with a few packages; records its requests."""

    def __init__(self) -> None:
        self.packages: dict[str, dict[str, Any]] = {}
        self.raw: dict[str, bytes] = {}  # tarballs that replace those made from the fields
        self.paths: list[str] = []
        self.requests: list[str] = []  # paths with headers and bodies
        registry = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                registry.paths.append(self.path)
                length = int(self.headers.get("content-length") or 0)
                body = self.rfile.read(length).decode("latin-1")
                registry.requests.append(f"{self.path}\n{self.headers}\n{body}")
                content = registry.answer(self.path)
                self.send_response(200 if content else 404)
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_POST = do_PUT = do_GET

            def log_message(self, *_: object) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def add(self, name: str, version: str, **fields: Any) -> None:
        self.packages[name] = {"name": name, "version": version, **fields}

    def tarball(self, name: str) -> bytes:
        return self.raw.get(name) or tarball(self.packages[name])

    def answer(self, path: str) -> bytes:
        name = path.strip("/").replace("%2f", "/").replace("%2F", "/")
        if name.endswith(".tgz"):
            return self.tarball(name.removesuffix(".tgz"))
        package = self.packages.get(name)
        if package is None:
            return b""
        integrity = base64.b64encode(hashlib.sha512(self.tarball(name)).digest()).decode()
        dist = {"tarball": f"{self.url}/{name}.tgz", "integrity": f"sha512-{integrity}"}
        version = package["version"]
        return json.dumps(
            {
                "name": name,
                "dist-tags": {"latest": version},
                "versions": {version: package | {"dist": dist}},
            }
        ).encode()


@contextmanager
def served(registry: Registry) -> Iterator[Registry]:
    """Serve the registry, with the packages that every Worker gets."""
    registry.add("@grpc/grpc-js", "1.13.9")
    registry.add("google-protobuf", "4.1.0")
    thread = threading.Thread(target=registry.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield registry
    finally:
        registry.server.shutdown()
        thread.join()
        registry.server.server_close()


def old_npm() -> bool:
    """Return whether npm is missing, or too old to be used with a login and no lock file."""
    npm = shutil.which("npm")
    if npm is None:
        return True
    completed = subprocess.run([npm, "--version"], capture_output=True, text=True, check=True)
    return not refuses_addresses(completed.stdout.strip())
