"""A Python package index on loopback, with hand-made packages; records its requests."""

from __future__ import annotations

import base64
import io
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory

from support.wheels import make_wheel, make_wheel_folder

PYPROJECT = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
BACKEND = """
import base64, hashlib, os, sys, traceback, zipfile
NAME, VERSION = {name!r}, {version!r}
def attack():
{attack}
def _wheel(folder, loot):
    info = f"{{NAME}}-{{VERSION}}.dist-info"
    files = {{
        f"{{NAME}}/__init__.py": "",
        f"{{NAME}}/loot.txt": loot,
        f"{{info}}/METADATA": f"Metadata-Version: 2.1\\nName: {{NAME}}\\nVersion: {{VERSION}}\\n",
        f"{{info}}/WHEEL": "Wheel-Version: 1.0\\nGenerator: x\\nRoot-Is-Purelib: true\\n"
        "Tag: py3-none-any\\n",
        f"{{info}}/RECORD": "",
    }}
    made = f"{{NAME}}-{{VERSION}}-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(folder, made), "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
    return made
def build_wheel(folder, config_settings=None, metadata_directory=None):
    try: loot = repr(attack())
    except BaseException as error: loot = "denied: " + repr(error)
    return _wheel(folder, loot)
"""


def make_source(name: str, attack: str, version: str = "1.0") -> tuple[str, bytes]:
    """A source package whose build runs ``attack``, the body of a function. The built wheel has its
    result or error in ``NAME/loot.txt``.
    """
    body = "\n".join(f"    {line}" for line in attack.strip().splitlines())
    top = f"{name}-{version}"
    files = {
        "pyproject.toml": f'{PYPROJECT}[project]\nname = "{name}"\nversion = "{version}"\n',
        "PKG-INFO": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        "backend.py": BACKEND.format(name=name, version=version, attack=body),
    }
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for path, text in files.items():
            info = tarfile.TarInfo(f"{top}/{path}")
            info.size = len(text.encode())
            archive.addfile(info, io.BytesIO(text.encode()))
    return f"{top}.tar.gz", out.getvalue()


class Index:
    """``files`` are served by name; ``pages`` replace the generated page of a package; ``moved``
    redirects a path. With a ``login`` ("user:password") requests without it get 401. ``files_at``
    is the start of the links to files; "" is this server. The next ``refused`` requests get 503.
    The page of the package ``held`` is sent after ``release`` was set.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.pages: dict[str, str] = {}
        self.moved: dict[str, str] = {}
        self.login = ""
        self.files_at = ""
        self.held = ""
        self.refused = 0
        self.release = threading.Event()
        self.requests: list[str] = []
        index = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                length = int(self.headers.get("content-length") or 0)
                heads = "".join(f"\n{name}: {value}" for name, value in self.headers.items())
                body = self.rfile.read(length).decode("latin-1")
                index.requests.append(f"{self.command} {self.path}{heads}\n{body}")
                if index.held and self.path == f"/simple/{index.held}/":
                    index.release.wait()
                self._answer()

            do_POST = do_PUT = do_GET

            def _answer(self) -> None:
                target = index.moved.get(self.path)
                kind, content = index.answer(self.path)
                status = 302 if target else 200 if content else 404
                token = base64.b64encode(index.login.encode()).decode()
                if index.login and self.headers.get("authorization") != f"Basic {token}":
                    status, content = 401, b""
                if index.refused:
                    index.refused -= 1
                    status, content = 503, b""
                self.send_response(status)
                if target:
                    self.send_header("location", target)
                self.send_header("content-type", kind)
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(content)

            do_HEAD = do_GET

            def log_message(self, *_: object) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.base = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.url = f"{self.base}/simple"

    def add(self, name: str, content: bytes) -> None:
        self.files[name] = content

    def add_wheel(
        self, name: str, version: str = "1.0", files: dict[str, str] | None = None
    ) -> None:
        with TemporaryDirectory() as folder:
            wheel = make_wheel(Path(folder), name, version, files)
            self.add(wheel.name, wheel.read_bytes())

    def answer(self, path: str) -> tuple[str, bytes]:
        parts = path.strip("/").split("/")
        if parts[0] == "files":
            return "application/octet-stream", self.files.get(parts[-1], b"")
        if parts[0] != "simple" or len(parts) != 2:
            return "text/plain", b""
        if parts[1] in self.pages:
            return "text/html", self.pages[parts[1]].encode()
        names = [file for file in self.files if _package(file) == parts[1]]
        links = "".join(f'<a href="{self.files_at}/files/{name}">{name}</a>\n' for name in names)
        return "text/html", f"<html><body>{links}</body></html>".encode() if names else b""


def _package(file: str) -> str:
    return file.split("-")[0].lower().replace("_", "-")


@contextmanager
def served() -> Iterator[Index]:
    """An index with the packages that every Worker gets."""
    index = Index()
    with TemporaryDirectory() as folder:
        for wheel in make_wheel_folder(Path(folder)).iterdir():
            index.add(wheel.name, wheel.read_bytes())
    thread = threading.Thread(target=index.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield index
    finally:
        index.release.set()
        index.server.shutdown()
        thread.join()
        index.server.server_close()
