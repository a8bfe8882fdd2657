"""``config.toml`` in the data folder."""

from __future__ import annotations

from difflib import get_close_matches
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from pydantic_settings import BaseSettings, TomlConfigSettingsSource


class ConfigFileError(ValueError):
    """``config.toml`` cannot be read, or names a setting that does not exist."""


class ConfigFile(TomlConfigSettingsSource):
    """The settings in the file; none without it. Raises ``ConfigFileError``, which names it."""

    def __init__(self, settings_cls: type[BaseSettings], path: Path) -> None:
        self._known = list(settings_cls.model_fields)
        super().__init__(settings_cls, path)

    def _read_file(self, file_path: Path | Traversable) -> dict[str, Any]:
        try:
            values = super()._read_file(file_path)
        except (OSError, ValueError) as error:  # also: not UTF-8
            raise ConfigFileError(f"{file_path} cannot be read: {error}") from None
        for name in values:
            if name not in self._known:
                nearest = get_close_matches(name, self._known, 1)
                hint = f"; did you mean {nearest[0]}?" if nearest else ""
                raise ConfigFileError(f"{file_path}: there is no setting {name}{hint}")
        return values
