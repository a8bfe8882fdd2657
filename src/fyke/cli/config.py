"""``fyke config``: which settings hold, and who set them."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fyke.cli.context import HomeOption, JsonOption, group, load_settings
from fyke.cli.errors import CommandFailed, Exit
from fyke.cli.output import Output

if TYPE_CHECKING:
    from fyke.settings import Settings

config = group("Settings: what holds, and where it comes from.")


@config.command("show")
def show(
    origin: Annotated[
        bool, typer.Option("--origin", help="Also say where each value comes from.")
    ] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Every setting with its value. Passwords in addresses are masked.

    A flag wins over FYKE_<NAME> in the environment, which wins over config.toml in the data
    folder, which wins over the default.

    \b
    Examples:
      fyke config show --origin
      fyke config show --json | jq .port
    """
    settings = load_settings(home=home)
    values = {name: shown(getattr(settings, name)) for name in type(settings).model_fields}
    flags = {"home": home} if home else {}
    origins = origins_of(settings, flags, os.environ)
    out = Output(as_json)
    if as_json:
        both = {name: {"value": values[name], "origin": origins[name]} for name in values}
        out.json(both if origin else values)
    elif origin:
        out.table(
            ("setting", "value", "origin"),
            [(name, _text(value), origins[name]) for name, value in values.items()],
        )
    else:
        out.fields((name, _text(value)) for name, value in values.items())


def origins_of(
    settings: Settings, flags: Mapping[str, object], environment: Mapping[str, str]
) -> dict[str, str]:
    """Who set each setting: ``flag``, ``environment``, ``file`` or ``default``."""
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
        raise CommandFailed(f"{path}: {error}", Exit.USAGE) from None


def shown(value: Any) -> Any:
    """A value as JSON knows it, secrets masked."""
    from fyke.telemetry.logging import redact

    if isinstance(value, str):
        return redact(value)
    if isinstance(value, tuple | list):
        return [shown(item) for item in value]
    if isinstance(value, dict):
        return {key: shown(item) for key, item in value.items()}
    return value if isinstance(value, bool | int | float) else str(value)


def _text(value: Any) -> str:
    from fyke.cli.output import to_json

    if isinstance(value, list):
        return ", ".join(map(str, value)) or "-"
    if isinstance(value, bool | dict):
        return to_json(value) if value != {} else "-"
    return str(value) if value != "" else "-"
