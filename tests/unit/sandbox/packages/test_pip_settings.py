"""The settings of pip, and the precedence of its files and variables."""

from __future__ import annotations

import os
from pathlib import Path

from fyke.sandbox.packages.pip_settings import pip_settings
from unit.sandbox.packages.test_uv_settings import write


def test_a_variable_overrides_a_file_and_the_users_file_the_machines(tmp_path: Path) -> None:
    write(tmp_path / "xdg/pip/pip.conf", "[global]\nindex-url = site\nfind-links = site\n")
    write(tmp_path / ".pip/pip.conf", "[global]\nindex-url = user\n")
    write(tmp_path / "named.conf", "[global]\nindex-url = named\n")
    write(tmp_path / "broken.conf", "no section")
    environ = {"HOME": str(tmp_path), "XDG_CONFIG_DIRS": str(tmp_path / "xdg")}
    assert pip_settings(environ)["index-url"] == "user"
    assert pip_settings(environ)["find-links"] == "site"
    named = environ | {"PIP_CONFIG_FILE": str(tmp_path / "named.conf")}
    assert pip_settings(named)["index-url"] == "named"
    assert pip_settings(named | {"PIP_INDEX_URL": "env"})["index-url"] == "env"
    broken = environ | {"PIP_CONFIG_FILE": str(tmp_path / "broken.conf")}
    assert pip_settings(broken)["index-url"] == "user"
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


def test_a_file_that_is_not_text_is_ignored(tmp_path: Path) -> None:
    (tmp_path / "pip.conf").write_bytes(b"[global]\nindex-url = \xff\n")
    environ = {"PIP_CONFIG_FILE": str(tmp_path / "pip.conf"), "HOME": "/nonexistent"}
    assert "index-url" not in pip_settings(environ)
