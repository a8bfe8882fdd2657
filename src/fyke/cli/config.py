"""``fyke config``: the settings in effect, and where each value comes from."""

from __future__ import annotations

import os
from typing import Annotated, Any

import typer

from fyke.cli.context import HomeOption, JsonOption, group
from fyke.cli.output import Output
from fyke.cli.settings import settings_to_look_at

config = group()


@config.command("show")
def show(
    origin: Annotated[
        bool, typer.Option("--origin", help="Also show where each value comes from.")
    ] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Every setting with its value. Passwords in addresses are masked.

    A flag wins over FYKE_<NAME> in the environment, which wins over config.toml in the data
    folder, which wins over the default. The environment is that of this command: what a
    running server has read is in the console under Admin, Settings.

    \b
    Examples:
      fyke config show --origin
      fyke config show --json | jq .port
    """
    from fyke.app.configuration import masked, origins_of

    settings = settings_to_look_at(home=home)
    values = {name: masked(getattr(settings, name)) for name in type(settings).model_fields}
    flags = {"home": home} if home else {}
    origins = origins_of(settings, flags, os.environ)
    out = Output(as_json)
    if as_json:
        with_origins = {name: {"value": values[name], "origin": origins[name]} for name in values}
        out.json(with_origins if origin else values)
    elif origin:
        out.table(
            ("setting", "value", "origin"),
            [(name, _text(value), origins[name]) for name, value in values.items()],
        )
    else:
        out.fields((name, _text(value)) for name, value in values.items())


def _text(value: Any) -> str:
    from fyke.cli.output import to_json

    if isinstance(value, list):
        return ", ".join(map(str, value)) or "-"
    if isinstance(value, bool | dict):
        return to_json(value) if value != {} else "-"
    return str(value) if value != "" else "-"
