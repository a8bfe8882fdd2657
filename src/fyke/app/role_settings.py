"""Settings that a role gets from the process that started the platform, instead of reading them.

They are read once (``store``), checked there, and handed on in a file in memory that no process can
change. A role that needs no others (``RoleSettings``) does without the library that reads
settings, which takes 8 MiB, and more in each process that has used it.
"""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from fyke.kit.folder_paths import FolderPaths

if TYPE_CHECKING:
    from fyke.settings import Settings

_SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
_PLAIN = (str, bool, int, float, tuple, dict)


class RoleSettings(FolderPaths):
    """Settings as they were stored; reading one that was not raises ``AttributeError``."""

    def __init__(self, home: Path, values: dict[str, Any]) -> None:
        self.__dict__.update(values, home=home)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"the setting {name} cannot be changed")


def store(settings: Settings) -> int:
    """The descriptor of a file with these settings, but for prices and for secrets that only a
    server needs.
    """
    fields = type(settings).model_fields
    found = {name: getattr(settings, name) for name in fields if name != "home"}
    values = {name: value for name, value in found.items() if isinstance(value, _PLAIN)}
    content = {"home": str(settings.home), "values": values}
    file = os.memfd_create("fyke-settings", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    with os.fdopen(os.dup(file), "w") as writer:
        json.dump(content, writer)
    fcntl.fcntl(file, fcntl.F_ADD_SEALS, _SEALS)
    return file


def stored(file: int) -> Settings:
    """The settings of the file that ``store`` has made. The descriptor stays open."""
    content = json.loads(os.pread(file, os.fstat(file).st_size, 0))
    values = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in content["values"].items()
    }
    # a role takes either; no role that gets these asks for what they lack
    return cast("Settings", RoleSettings(Path(content["home"]), values))
