"""Settings as they were read."""

from __future__ import annotations

from pathlib import Path

import pytest

from fyke.app.configuration import format_value, masked, origins_of
from fyke.errors import InvalidRequest
from fyke.settings import Settings


def test_a_file_that_is_not_toml_is_named(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    (tmp_path / "config.toml").write_text("port = = 1\n")
    with pytest.raises(InvalidRequest, match=r"config\.toml: "):
        origins_of(settings, {}, {})


def test_the_password_of_the_mail_server_is_masked() -> None:
    assert masked("smtps://fyke:secret@mail.example.org") == "smtps://fyke:***@mail.example.org"


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ([], "-"), (["a", "b"], "a, b"), ({}, "-"), ({"DE": "x", "US": "y"}, "DE: x, US: y"),
        (True, "true"), (False, "false"), ("", "-"), (0, "0"), ("x", "x"),
    ],
)  # fmt: skip
def test_values_in_words(value: object, words: str) -> None:
    assert format_value(value) == words
