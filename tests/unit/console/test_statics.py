"""The static files of the pages."""

from __future__ import annotations

import mimetypes
import re

import pytest

from fyke.console.statics import Statics, icon_shape


def test_all_addresses_change_with_any_file(tmp_path: object) -> None:
    from pathlib import Path

    folder = Path(str(tmp_path))
    (folder / "css").mkdir()
    (folder / "css" / "1.css").write_text("a{}")
    (folder / "css" / "2.css").write_text("b{}")
    before = Statics(folder)
    assert before.address("app.css") == f"/static/{before.digest}/app.css"
    (folder / "css" / "2.css").write_text("c{}")
    assert Statics(folder).digest != before.digest


def test_an_unknown_name_raises() -> None:
    with pytest.raises(KeyError):
        Statics().address("nothing.js")


def test_styles_and_modules_use_no_other_host() -> None:
    statics = Statics()
    for path, content in statics._files.items():
        if path.startswith("vendor/") or path.endswith("/LICENSE"):
            continue
        found = re.findall(rb"https?://(?!www\.w3\.org)[^\"'\s)]+", content.body)
        assert not found, (path, found)


def test_an_icon_contains_only_its_shape() -> None:
    shape = icon_shape("play")
    assert shape.startswith("<path") and "<svg" not in shape and "license" not in shape
    with pytest.raises(FileNotFoundError):
        icon_shape("no-such-icon")


@pytest.mark.parametrize(
    ("path", "media_type"),
    [
        ("app.css", "text/css"),
        ("vendor/htmx/htmx.min.js", "text/javascript"),
        ("vendor/htmx/LICENSE", "text/plain"),
    ],
)
def test_media_types_do_not_depend_on_the_machine(
    monkeypatch: pytest.MonkeyPatch, path: str, media_type: str
) -> None:
    monkeypatch.setattr(mimetypes, "guess_type", lambda path: ("application/other", None))
    assert Statics()._files[path].media_type == media_type
