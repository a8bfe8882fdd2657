"""Worker projects for tests, made of a script, a schema and the SDK files."""

from __future__ import annotations

import io
import json
import zipfile
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SDK = ROOT / "sdk" / "python"
ZOO = ROOT / "tests" / "zoo" / "python"
EMPTY_SCHEMA: dict[str, Any] = {"description": "", "properties": []}


def python_project(
    main: str,
    *,
    schema: dict[str, Any] | None = None,
    output: list[dict[str, Any]] | None = None,
    requirements: str = "",
    **files: str,
) -> bytes:
    """A ZIP with ``main.py``, the SDK, an input schema and the other files."""
    members = {
        "main.py": main,
        "input_schema.json": json.dumps(schema or EMPTY_SCHEMA),
        "requirements.txt": requirements,
        **_sdk(),
        **files,
    }
    if output is not None:
        members["output_schema.json"] = json.dumps(output)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return buffer.getvalue()


@cache
def _sdk() -> dict[str, str]:
    return {path.name: path.read_text() for path in SDK.glob("*.py")}


def zoo(name: str, **kwargs: Any) -> bytes:
    """A project of one misbehaving Worker of ``tests/zoo``."""
    return python_project((ZOO / f"{name}.py").read_text(), **kwargs)
