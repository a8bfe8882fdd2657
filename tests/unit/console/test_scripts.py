"""Our scripts write no member whose name comes from data: no prototype can be polluted."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[3] / "src" / "fyke"
SCRIPTS = sorted(
    path
    for path in SOURCE.rglob("*.js")
    if "vendor" not in path.parts and "swagger_ui" not in path.parts
)
RISKS = {
    "a computed member is written": re.compile(
        r"[\w)\]]\[(?!\d+\])[^\]]*\]\s*(?:[-+*/|&?]{0,3}=)(?![=>])"
    ),
    "an object has computed names": re.compile(r"[{,]\s*\[[^\]]+\]\s*:"),
    "members are copied": re.compile(
        r"Object\.(?:assign|fromEntries|setPrototypeOf)|structuredClone"
    ),
    "a prototype is named": re.compile(r"__proto__|\.prototype\b"),
    "names are enumerated": re.compile(r"for\s*\((?:const|let|var)\s+\w+\s+in\b"),
}


def risks_in(text: str) -> list[str]:
    code = re.sub(r"//.*", "", text)
    return [name for name, pattern in RISKS.items() if pattern.search(code)]


def test_the_scripts_are_found() -> None:
    assert {"app.js", "run-form.js"} <= {path.name for path in SCRIPTS}


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_no_script_writes_members_named_by_data(path: Path) -> None:
    assert risks_in(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "text",
    [
        "target[name] = value;",
        "target[a.b][c] ??= {};",
        "const o = {[name]: value};",
        "Object.assign(options, JSON.parse(text));",
        "Object.fromEntries(pairs)",
        "x.__proto__ = y;",
        "for (const name in source) use(name);",
    ],
)
def test_each_risk_is_seen(text: str) -> None:
    assert risks_in(text)


@pytest.mark.parametrize(
    "text", ["const [a, b] = pair;", "if (a[b] === c) d();", "a[0] = b;", "x => ({ ...x, y: 1 })"]
)
def test_what_is_harmless_is_accepted(text: str) -> None:
    assert risks_in(text) == []
