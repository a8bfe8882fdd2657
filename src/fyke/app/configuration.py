"""The settings: the value of each as text, with secrets masked, and where it was set."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from fyke.errors import InvalidRequest
from fyke.settings import Settings
from fyke.settings.shared import NOT_OF_NODES
from fyke.telemetry.logging import redact


def origins_of(
    settings: Settings, flags: Mapping[str, object], environment: Mapping[str, str]
) -> dict[str, str]:
    """Where each setting was set: ``flag``, ``environment``, ``file`` or ``default``.

    Raises ``InvalidRequest`` for a file that is not valid TOML.
    """
    variables = {name.upper() for name in environment}
    in_file = _read_file(settings.home / "config.toml")
    origins: dict[str, str] = {}
    for name in type(settings).model_fields:
        if name in flags:
            origins[name] = "flag"
        elif f"FYKE_{name.upper()}" in variables:
            origins[name] = f"environment (FYKE_{name.upper()})"
        elif name in in_file:
            origins[name] = f"file ({settings.home / 'config.toml'})"
        else:
            origins[name] = "default"
    return origins


def ignored_on_node(settings: Settings, environment: Mapping[str, str]) -> list[str]:
    """The settings that are set on this node although they are those of its installation.

    Raises ``InvalidRequest`` for a file that is not valid TOML.
    """
    origins = origins_of(settings, {}, environment)
    return [name for name in origins if name in NOT_OF_NODES and origins[name] != "default"]


def secrets_in_file(settings: Settings) -> list[str]:
    """The settings in ``config.toml`` whose values are secret, or URLs with a password.

    Raises ``InvalidRequest`` for a file that is not valid TOML.
    """
    fields = type(settings).model_fields
    values = _read_file(settings.home / "config.toml")
    return [
        name
        for name, value in values.items()
        if value and (fields[name].annotation is SecretStr or masked(value) != value)
    ]


def _read_file(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except tomllib.TOMLDecodeError as error:
        raise InvalidRequest(f"{path}: {error}") from None


def masked(value: Any) -> Any:
    """A value in JSON types, with secrets masked."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, tuple | list):
        return [masked(item) for item in value]
    if isinstance(value, dict):
        return {key: masked(item) for key, item in value.items()}
    return value if isinstance(value, bool | int | float) else str(value)


def format_value(value: Any) -> str:
    """The result of ``masked`` as one line; ``-`` for an empty value."""
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "-"
    if isinstance(value, dict):
        return ", ".join(f"{key}: {item}" for key, item in value.items()) or "-"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if value != "" else "-"
