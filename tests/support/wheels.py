"""Wheels made by hand, so that installs in tests need no network."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from pathlib import Path


def make_wheel(
    folder: Path,
    name: str,
    version: str = "99.0",
    files: dict[str, str] | None = None,
    metadata: str = "",
) -> Path:
    """Write ``name-version-py3-none-any.whl`` into ``folder`` and return its path."""
    module = name.replace("-", "_")
    info = f"{module}-{version}.dist-info"
    content = dict(files if files is not None else {f"{module}.py": f"VALUE = {version!r}\n"})
    content[f"{info}/METADATA"] = (
        f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{metadata}"
    )
    content[f"{info}/WHEEL"] = (
        "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    )
    record = []
    for path, text in content.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=")
        record.append(f"{path},sha256={digest.decode()},{len(text.encode())}")
    content[f"{info}/RECORD"] = "\n".join([*record, f"{info}/RECORD,,\n"])
    wheel = folder / f"{module}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in content.items():
            archive.writestr(path, text)
    return wheel


def make_wheel_folder(folder: Path) -> Path:
    """Make a folder with stand-ins for the packages that every Worker gets."""
    folder.mkdir(parents=True, exist_ok=True)
    make_wheel(folder, "protobuf", "6.99.0")
    make_wheel(folder, "grpcio", "1.99.0", {"grpc/__init__.py": ""})
    return folder
