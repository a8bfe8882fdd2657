"""The form of a run as a browser sends it."""

from __future__ import annotations

from typing import Any

from support.pages import Page

PLACES = "/w/owner/places"


def sent(page: Page, **changed: Any) -> dict[str, Any]:
    """The form's values as a browser sends them; ``changed`` replaces values by name."""
    values: dict[str, list[str]] = {}
    for control in page.all("//form[@id='run-form']//*[@name]"):
        name, kind = control.get("name"), control.get("type", "")
        inside = control.xpath("ancestor::template")
        if inside or name in ("do",) or kind == "file":
            continue
        if kind in ("checkbox", "radio") and control.get("checked") is None:
            continue
        if control.tag == "select":
            chosen = control.xpath("option[@selected]") or control.xpath("option")[:1]
            text = chosen[0].get("value", "")
        elif control.tag == "textarea":
            text = (control.text or "").removeprefix("\n").replace("\n", "\r\n")
        else:
            text = control.get("value", "on" if kind == "checkbox" else "")
        values.setdefault(name, []).append(text)
    for name, value in changed.items():
        values[name] = value if isinstance(value, list) else [value]
    return values
