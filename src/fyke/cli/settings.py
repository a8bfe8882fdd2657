"""The settings of a command from its flags, the environment and the file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fyke.cli.errors import CommandFailed, Exit
from fyke.cli.values import BY_PYDANTIC, OWN_RULE, number_rule

if TYPE_CHECKING:
    from fyke.settings import Settings


ChangeSettings = Annotated[
    bool,
    typer.Option(
        "--change-settings",
        help="Change the settings of the installation to those of this machine while other servers "
        "are active; restart these with the same values.",
    ),
]
NUMBER_ERRORS = ("int_", "float_", "greater_than_equal", "less_than_equal")


def load_settings(**flags: Any) -> Settings:
    """Load the settings; flags that are None are ignored. Raises ``CommandFailed``."""
    from pydantic import ValidationError

    from fyke.settings import ConfigFileError, Settings

    values = {name: value for name, value in flags.items() if value is not None}
    if "home" in values:
        values["home"] = Path(values["home"]).expanduser().absolute()
    try:
        return Settings(**values)
    except ConfigFileError as error:
        raise CommandFailed(str(error), Exit.USAGE) from None
    except ValidationError as error:
        problem = error.errors()[0]
        name = ".".join(str(part) for part in problem["loc"])
        source = _source(str(problem["loc"][0]), values)
        raise CommandFailed(f"setting {name} ({source}): {_rule(problem)}", Exit.USAGE) from None


def _rule(problem: Mapping[str, Any]) -> str:
    """What is wrong with a value, from the first error of pydantic."""
    from fyke.settings import Settings

    field = Settings.model_fields.get(str(problem["loc"][0]))
    if field is not None and field.annotation in (int, float) and len(problem["loc"]) == 1:
        least, most = (
            next((getattr(item, bound) for item in field.metadata if hasattr(item, bound)), None)
            for bound in ("ge", "le")
        )
        if problem["type"].startswith(NUMBER_ERRORS):
            return number_rule(least, most, whole=field.annotation is int)
    message: str = problem["msg"]
    return message.removeprefix(OWN_RULE).replace(BY_PYDANTIC, "must be ", 1)


def existing_settings(home: str | None, *, or_node: bool = False) -> Settings:
    """The settings of the data folder of an installation, or of a node too. Raises
    ``CommandFailed``.
    """
    from fyke.app.folder import NODE_FILE, is_installation, is_node

    settings = load_settings(home=home)
    if not settings.home.is_dir():
        raise _not_ours(settings.home, home, or_node=or_node)
    if not settings.database_url and os.geteuid() != 0 and not os.access(settings.home, os.R_OK):
        raise CommandFailed(
            f"The data folder {settings.home} belongs to another user; use that one, or root",
            Exit.AUTH,
        )
    if is_node(settings.home):
        if not or_node:
            raise CommandFailed(
                f"{settings.home} is the folder of a node ({NODE_FILE}), which has no database. "
                "Give this command on the machine of the installation, or name the data folder of "
                "an installation with --home or FYKE_HOME",
                Exit.CONFLICT,
            )
    elif not is_installation(settings.home):
        raise _not_ours(settings.home, home, or_node=or_node)
    return settings


def settings_to_look_at(home: str | None) -> Settings:
    """The settings for a command that is also of use before the first start. A folder that was
    named has to be one of ours; one that FYKE_HOME names may also be missing or empty, as that of a
    new container. Without a name it is the default one. Raises ``CommandFailed``.
    """
    from fyke.app.folder import LOCAL_FOLDER, is_installation, is_node

    settings = load_settings(home=home)
    folder = settings.home
    is_ours = is_node(folder) or is_installation(folder) or (folder / LOCAL_FOLDER).is_dir()
    if not is_ours and (home or (os.environ.get("FYKE_HOME") and not _is_unused(folder))):
        raise _not_ours(folder, home, or_node=True)
    return settings


def _is_unused(folder: Path) -> bool:
    """Whether nothing is there, or nothing but what a new file system contains."""
    try:
        return not {entry.name for entry in folder.iterdir()} - {"lost+found"}
    except FileNotFoundError:
        return True
    except OSError:  # a file, or the folder of another user
        return False


def _not_ours(folder: Path, home: str | None, *, or_node: bool) -> CommandFailed:
    """The error for a folder that is missing, or has nothing that Fyke writes."""
    from fyke.app.folder import INSTALLATION_FILES, NODE_FILE

    files = [*INSTALLATION_FILES, *([NODE_FILE] if or_node else [])]
    is_there = folder.is_dir()
    found = f"it has none of {', '.join(files)}" if is_there else "it does not exist"
    if folder.is_file():
        found = "it is a file"
    node = " and fyke node join that of a node" if or_node else ""
    if not home and os.environ.get("FYKE_HOME"):
        origin, advice = ", which FYKE_HOME names,", "Change this variable, or unset it"
    else:
        origin, advice = "", "Name the right one with --home or FYKE_HOME"
    return CommandFailed(
        f"{folder}{origin} is no data folder of Fyke: {found}. {advice}; fyke up makes a new "
        f"one{node}",
        Exit.NOT_FOUND,
    )


def _source(name: str, flags: Mapping[str, Any]) -> str:
    """The name of the flag, variable or file that the value comes from."""
    if name in flags:
        return f"--{name.replace('_', '-')}"
    variable = f"FYKE_{name.upper()}"
    return variable if os.environ.get(variable) else "config.toml"
