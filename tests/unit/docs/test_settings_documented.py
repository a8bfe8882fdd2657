"""The page about settings and the settings themselves say the same."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from fyke.settings import Settings

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "settings.md"
SECTION = re.compile(r"^### `(\w+)`\n(.*?)(?=^##|\Z)", re.MULTILINE | re.DOTALL)
DEFAULT = re.compile(r"Default:\s+`?([^`.\s][^`\s]*?)`?\.$", re.MULTILINE)
EXAMPLE = re.compile(r"```sh\nFYKE_(\w+)=(.*)\n```")


def sections() -> dict[str, str]:
    return dict(SECTION.findall(PAGE.read_text(encoding="utf-8")))


def written(value: Any) -> str:
    """A default as the page writes it."""
    if isinstance(value, bool):
        return str(value).lower()
    return "empty" if value in ("", (), {}) else str(value)


def test_every_setting_is_documented_and_no_other() -> None:
    assert set(sections()) == set(Settings.model_fields)


@pytest.mark.parametrize("name", sorted(set(Settings.model_fields) - {"home"}))
def test_the_documented_default_is_the_default(name: str) -> None:
    found = DEFAULT.search(sections()[name])
    assert found is not None, f"{name}: the section says no default"
    assert found[1] == written(Settings.model_fields[name].get_default(call_default_factory=True))


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_the_documented_example_is_accepted(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = EXAMPLE.search(sections()[name])
    assert found is not None, f"{name}: the section shows no example"
    assert found[1] == name.upper()
    monkeypatch.setenv("FYKE_HOME", str(tmp_path))
    default = Settings.model_fields[name].get_default(call_default_factory=True)
    monkeypatch.setenv(f"FYKE_{found[1]}", found[2])
    assert getattr(Settings(), name) != default


def test_the_example_of_a_file_is_accepted(tmp_path: Path) -> None:
    text = PAGE.read_text(encoding="utf-8")
    found = re.search(r"```toml\n(.*?)```", text, re.DOTALL)
    assert found is not None
    (tmp_path / "config.toml").write_text(found[1], encoding="utf-8")
    settings = Settings(home=tmp_path)
    assert (settings.port, settings.keep_days) == (9000, 30)
    assert settings.trusted_proxies == ("127.0.0.1",)
    assert list(settings.egress_upstreams) == ["US"]
