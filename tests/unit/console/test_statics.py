"""The static files of the pages."""

from __future__ import annotations

import mimetypes
import re
from pathlib import Path

import pytest

from fyke.console.statics import Statics, icon_shape


def test_all_addresses_change_with_any_file(tmp_path: Path) -> None:
    (tmp_path / "css").mkdir()
    (tmp_path / "css" / "1.css").write_text("a{}")
    (tmp_path / "css" / "2.css").write_text("b{}")
    before = Statics(tmp_path)
    assert before.address("app.css") == f"/static/{before.digest}/app.css"
    (tmp_path / "css" / "2.css").write_text("c{}")
    assert Statics(tmp_path).digest != before.digest


def test_comments_are_not_served(tmp_path: Path) -> None:
    for folder in ("css", "js", "vendor"):
        (tmp_path / folder).mkdir()
    (tmp_path / "css" / "1.css").write_text("/* one\n * two */\na{ b: c; } /* **three** */\nd{}\n")
    script = "// one\nconst a = 1; // two\n  /** three\n   * four */\n  b('//');\n"
    (tmp_path / "js" / "a.js").write_text(script)
    (tmp_path / "vendor" / "a.js").write_text("// (c) its author\n")
    served = {path: content.body.decode() for path, content in Statics(tmp_path)._files.items()}
    assert served["app.css"] == "\na{ b: c; }\nd{}\n"
    assert served["js/a.js"] == "const a = 1; // two\n  b('//');\n"
    assert served["vendor/a.js"] == "// (c) its author\n"


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
