"""The misbehaving Workers as bundles: one for each language, with all its behaviours."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import tempfile
import zipfile
from functools import cache
from pathlib import Path

ZOO = Path(__file__).parent
SDK = ZOO.parents[1] / "sdk"
DEVTOOLS = ZOO / "python" / "browser" / "devtools.py"
RELAY = ZOO.parents[1] / "src" / "fyke" / "sandbox" / "isolation" / "relay.py"
GO_SOURCES = ZOO / "go"
SCHEMA = json.dumps({"description": "", "properties": []})


def packed(files: dict[str, str | bytes]) -> bytes:
    """A ZIP of these files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def _texts(folder: Path, pattern: str) -> dict[str, str | bytes]:
    return {path.name: path.read_text() for path in sorted(folder.glob(pattern))}


def python_bundle() -> bytes:
    files = _texts(ZOO / "python" / "behaviours", "*.py") | _texts(SDK / "python", "*.py")
    return packed(files | {"input_schema.json": SCHEMA, "requirements.txt": ""})


def browser_bundle() -> bytes:
    """With the program ``chromium`` that Workers of libraries get."""
    files = _texts(ZOO / "python" / "browser", "*.py") | _texts(SDK / "python", "*.py")
    added = {"input_schema.json": SCHEMA, "requirements.txt": "", "relay.py": RELAY.read_text()}
    return packed(files | added)


def node_bundle() -> bytes:
    files = _texts(ZOO / "node", "*.js") | _texts(SDK / "node", "*.js")
    return packed(files | {"input_schema.json": SCHEMA})


@cache
def built(sources: Path) -> bytes:
    """A static program built from a folder of Go sources and our SDK with the machine's Go."""
    with tempfile.TemporaryDirectory(prefix="fyke-go-") as name:
        folder = Path(name)
        shutil.copytree(sources, folder, dirs_exist_ok=True)
        shutil.copytree(SDK / "go" / "GoSdk", folder / "GoSdk", dirs_exist_ok=True)
        given = {"CGO_ENABLED": "0", "GOFLAGS": "-mod=mod", "GOPROXY": "off", "GOWORK": "off"}
        subprocess.run(
            ["go", "build", "-trimpath", "-ldflags", "-s -w", "-o", "main", "."],
            cwd=folder,
            env={**os.environ, **given},
            check=True,
        )
        return (folder / "main").read_bytes()


def go_project(program: bytes) -> bytes:
    return packed({"main": program, "input_schema.json": SCHEMA})
