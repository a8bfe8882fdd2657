"""The settings of a command: its flags, the environment, the file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from fyke.cli.errors import CommandFailed, Exit

if TYPE_CHECKING:
    from fyke.settings import Settings


def load_settings(**flags: Any) -> Settings:
    """Build the settings; flags that were not given do not count. Raises ``CommandFailed``."""
    from pydantic import ValidationError

    from fyke.settings import Settings

    given = {name: value for name, value in flags.items() if value is not None}
    if "home" in given:
        given["home"] = Path(given["home"]).expanduser().absolute()
    try:
        return Settings(**given)
    except ValidationError as error:
        problem = error.errors()[0]
        name = ".".join(str(part) for part in problem["loc"])
        raise CommandFailed(f"setting {name}: {problem['msg']}", Exit.USAGE) from None
