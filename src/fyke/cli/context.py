"""The context of commands: the settings, and the server with its key.

On the installation's own machine no option is needed: the data folder records the server's URL and
contains a key, readable only by the owner of the folder. That key is only ever sent to the URL that
is recorded in the same folder.
"""

from __future__ import annotations

import functools
import inspect
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from fyke.cli.errors import CommandFailed, Exit, name_missing
from fyke.cli.output import Output

if TYPE_CHECKING:
    from fyke.client import FykeClient

F = TypeVar("F", bound=Callable[..., None])

HomeOption = Annotated[
    str | None, typer.Option("--home", help="The data folder (else FYKE_HOME).", metavar="DIR")
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Write JSON for programs instead of text for people.")
]
UrlOption = Annotated[
    str | None,
    typer.Option("--url", help="The server, when it is elsewhere (else FYKE_URL).", metavar="URL"),
]
KeyOption = Annotated[
    str | None,
    typer.Option("--key", help="Your API key (else FYKE_KEY).", metavar="KEY"),
]


# --- the server and its key ----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Location:
    """A server and the key to it; ``key`` is empty when there is none."""

    url: str
    key: str


def locate(
    url: str | None,
    key: str | None,
    home: str | None,
    environment: Mapping[str, str],
    system_home: Path = Path("/var/lib/fyke"),
) -> Location:
    """The server to use. Raise ``CommandFailed`` when none is found."""
    url = url or environment.get("FYKE_URL", "")
    key = key or environment.get("FYKE_KEY", "")
    folder = data_folder(home, environment, system_home)
    if url:
        url = url.rstrip("/")
        if not url.startswith(("http://", "https://")):
            raise CommandFailed(f"--url {url}: must begin with http:// or https://", Exit.USAGE)
        if not key and url == _local_url(folder):
            key = _local_key(folder)
        return Location(url, key)
    local = _local_url(folder)
    if not local:
        raise CommandFailed(
            f"Fyke is not running on this machine ({folder} has no server.json). Start "
            "it with fyke up, or name another server with --url or FYKE_URL",
            Exit.UNREACHABLE,
        )
    return Location(local, key or _local_key(folder, needed=True))


def data_folder(
    home: str | None, environment: Mapping[str, str], system_home: Path = Path("/var/lib/fyke")
) -> Path:
    """The data folder: the named one; the system's for root, or when only that one has a running
    server that this user may use; else the user's own."""
    named = home or environment.get("FYKE_HOME")
    if named:
        return Path(named).expanduser().absolute()
    if os.geteuid() == 0:
        return system_home
    own = Path.home() / ".fyke"
    system_file = system_home / "server.json"
    if not (own / "server.json").exists() and os.access(system_file, os.R_OK):
        return system_home
    return own


def _local_url(folder: Path) -> str:
    try:
        return str(json.loads((folder / "server.json").read_text())["url"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _local_key(folder: Path, *, needed: bool = False) -> str:
    file = folder / "owner.key"
    try:
        return file.read_text().strip()
    except OSError as error:
        if not needed:
            return ""
        raise CommandFailed(
            f"The key of this installation cannot be read ({file}: {error.strerror}). Use the "
            "user that Fyke runs as, or root, or pass your own key with --key or FYKE_KEY",
            Exit.AUTH,
        ) from None


# --- commands that use the server -------------------------------------------------------------


class ServerContext:
    """The client and the output of a command that uses a server."""

    def __init__(self, url: str | None, key: str | None, home: str | None, as_json: bool) -> None:
        self.out = Output(as_json)
        self._options = (url, key, home)

    @functools.cached_property
    def location(self) -> Location:
        return locate(*self._options, os.environ)

    @functools.cached_property
    def client(self) -> FykeClient:
        from fyke.client import FykeClient

        return FykeClient(self.location.url, self.location.key)

    def close(self) -> None:
        if "client" in self.__dict__:
            self.client.close()


_COMMON: tuple[tuple[str, Any, Any], ...] = (
    ("url", UrlOption, None),
    ("key", KeyOption, None),
    ("home", HomeOption, None),
    ("as_json", JsonOption, False),
)


def server_command(group: typer.Typer, name: str) -> Callable[[F], F]:
    """Register a command of ``group`` whose function takes a ``ServerContext`` first; its options
    ``--url``, ``--key``, ``--home`` and ``--json`` are added."""

    def decorate(function: F) -> F:
        signature = inspect.signature(function, eval_str=True)
        common = [
            inspect.Parameter(
                name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation
            )
            for name, annotation, default in _COMMON
        ]
        own = [
            parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
            for parameter in list(signature.parameters.values())[1:]
        ]

        def command(**given: Any) -> None:
            server = ServerContext(*(given.pop(name) for name, _, _ in _COMMON))
            try:
                function(server, **given)
            except Exception as error:
                name_missing(error, given)
                raise
            finally:
                server.close()

        parameters = [*own, *common]
        command.__doc__ = function.__doc__
        command.__name__ = function.__name__
        command.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        command.__annotations__ = {p.name: p.annotation for p in parameters}
        group.command(name)(command)
        return function

    return decorate


def group(help: str) -> typer.Typer:
    """A group of commands."""
    return typer.Typer(help=help, no_args_is_help=True, rich_markup_mode=None)
