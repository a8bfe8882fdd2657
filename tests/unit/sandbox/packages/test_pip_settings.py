"""The settings of pip, and the precedence of its files and variables."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fyke.sandbox.packages.package_client import SettingsUnusable
from fyke.sandbox.packages.pip_settings import pip_settings
from unit.sandbox.packages.test_uv_settings import write


def test_a_variable_overrides_a_file_and_the_users_file_the_machines(tmp_path: Path) -> None:
    write(tmp_path / "xdg/pip/pip.conf", "[global]\nindex-url = site\nfind-links = site\n")
    write(tmp_path / ".pip/pip.conf", "[global]\nindex-url = user\n")
    write(tmp_path / "named.conf", "[global]\nindex-url = named\n")
    environ = {"HOME": str(tmp_path), "XDG_CONFIG_DIRS": str(tmp_path / "xdg")}
    assert pip_settings(environ)["index-url"] == "user"
    assert pip_settings(environ)["find-links"] == "site"
    named = environ | {"PIP_CONFIG_FILE": str(tmp_path / "named.conf")}
    assert pip_settings(named)["index-url"] == "named"
    assert pip_settings(named | {"PIP_INDEX_URL": "env"})["index-url"] == "env"
    assert pip_settings(environ | {"PIP_CONFIG_FILE": os.devnull}) == {}


def test_the_install_section_overrides_the_global_one(tmp_path: Path) -> None:
    write(
        tmp_path / "pip.conf",
        "[install]\nindex_url = https://install/\n[global]\nindex-url = https://global/\n"
        "[list]\nindex-url = https://list/\n",
    )
    environ = {"PIP_CONFIG_FILE": str(tmp_path / "pip.conf"), "HOME": "/nonexistent"}
    assert pip_settings(environ)["index-url"] == "https://install/"


def test_an_empty_variable_is_ignored(tmp_path: Path) -> None:
    write(tmp_path / "pip.conf", "[global]\ntrusted-host = a\n")
    environ = {"PIP_CONFIG_FILE": str(tmp_path / "pip.conf"), "PIP_TRUSTED_HOST": ""}
    assert pip_settings(environ)["trusted-host"] == "a"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"[global]\nindex-url = \xff\n", "it is not UTF-8 at byte 22"),
        (b"index-url = https://user:pass@corp\n", "line 1 comes before any section"),
        (b"[global]\nhttps//user,pass@corp\n", "line 2 is not a setting"),
        (b"[global]\ncert = a\ncert = pass\n", "line 3 sets cert again"),
        (b"[global]\ncert = pass\n[global]\n", "line 3 begins the section global again"),
    ],
)
def test_a_file_that_pip_would_refuse_is_an_error_without_its_text(
    tmp_path: Path, text: bytes, problem: str
) -> None:
    file = tmp_path / "pip.conf"
    file.write_bytes(text)
    with pytest.raises(SettingsUnusable, match=problem) as refused:
        pip_settings({"PIP_CONFIG_FILE": str(file), "HOME": "/nonexistent"})
    assert refused.value.source == str(file)
    assert "pass" not in str(refused.value)
