"""The settings as they were read: each value in words, secrets masked, and who set it."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fyke.errors import InvalidRequest
from fyke.settings import Settings
from fyke.telemetry.logging import redact


def origins_of(
    settings: Settings, flags: Mapping[str, object], environment: Mapping[str, str]
) -> dict[str, str]:
    """Who set each setting: ``flag``, ``environment``, ``file`` or ``default``.

    Raises ``InvalidRequest`` for a file that is no TOML.
    """
    named = {name.upper() for name in environment}
    in_file = _file(settings.home / "config.toml")
    found: dict[str, str] = {}
    for name in type(settings).model_fields:
        if name in flags:
            found[name] = "flag"
        elif f"FYKE_{name.upper()}" in named:
            found[name] = f"environment (FYKE_{name.upper()})"
        elif name in in_file:
            found[name] = f"file ({settings.home / 'config.toml'})"
        else:
            found[name] = "default"
    return found


def _file(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except tomllib.TOMLDecodeError as error:
        raise InvalidRequest(f"{path}: {error}") from None


def shown(value: Any) -> Any:
    """A value in JSON types, with secrets masked."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, tuple | list):
        return [shown(item) for item in value]
    if isinstance(value, dict):
        return {key: shown(item) for key, item in value.items()}
    return value if isinstance(value, bool | int | float) else str(value)


def format_value(value: Any) -> str:
    """What ``shown`` gave, as one line; ``-`` for nothing."""
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "-"
    if isinstance(value, dict):
        return ", ".join(f"{key}: {item}" for key, item in value.items()) or "-"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if value != "" else "-"
