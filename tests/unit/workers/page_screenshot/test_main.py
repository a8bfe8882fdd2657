"""The exit code of the Worker that takes pictures, and its reason."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

PROGRAM = Path(__file__).parents[4] / "workers" / "page-screenshot" / "main.py"
URLS = ["https://one.test/", "https://two.test/"]


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The program, with pictures that need no browser."""
    monkeypatch.syspath_prepend(str(PROGRAM.parent))
    spec = importlib.util.spec_from_file_location("screenshot_main", PROGRAM)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    def capture(_: str, url: str, __: object) -> dict[str, Any]:
        return {"url": url, "image": "x", "error": "", "bytes": 1, "format": "png", "ms": 1}

    monkeypatch.setattr(module, "capture", capture)
    monkeypatch.setattr(module.CoreSDK.Parameter, "get_input_json_dict", lambda: {"urls": URLS})
    monkeypatch.setattr(module.CoreSDK.Log, "info", lambda _: None)
    monkeypatch.setattr(module.CoreSDK.Log, "warn", lambda _: None)
    return module


@pytest.mark.parametrize(("refused", "code"), [(URLS[:1], 0), (URLS, 1)])
def test_a_row_that_is_refused_is_no_picture(
    program: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    refused: list[str],
    code: int,
) -> None:
    tried: list[str] = []

    def push_data(row: dict[str, Any]) -> None:
        tried.append(row["url"])
        if row["url"] in refused:
            raise program.SDKError(1, "the row is too large")

    monkeypatch.setattr(program.CoreSDK.Result, "push_data", push_data)
    assert program.main() == code
    assert tried == URLS
    reason = f"{URLS[1]}: the row was refused: the row is too large"
    assert capsys.readouterr().err.strip() == (reason if code else "")
