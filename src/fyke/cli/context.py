"""The server that a command uses, and its key.

On the machine of the server no option is needed: the data folder has the server's URL and a key,
which only the owner of the folder can read. That key is sent only to the URL in the same folder.
"""

from __future__ import annotations

import functools
import inspect
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, TypeVar

import typer
from typer.core import TyperGroup

from fyke.cli.errors import CommandFailed, Exit, add_missing_name
from fyke.cli.output import Output

if TYPE_CHECKING:
    from fyke_client import FykeAdmin

F = TypeVar("F", bound=Callable[..., None])

HomeOption = Annotated[
    str | None, typer.Option("--home", help="The data folder (default: FYKE_HOME).", metavar="DIR")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Write JSON instead of text.")]
UrlOption = Annotated[
    str | None,
    typer.Option("--url", help="URL of another server (default: FYKE_URL).", metavar="URL"),
]
KeyOption = Annotated[
    str | None,
    typer.Option("--key", help="Your API key (default: FYKE_KEY).", metavar="KEY"),
]


# --- the server and its key ----------------------------------------------------------------


class Location(NamedTuple):
    """The URL of a server and the key for it, which may be empty."""

    url: str
    key: str


def locate(
    url: str | None,
    key: str | None,
    home: str | None,
    environment: Mapping[str, str],
    system_home: Path = Path("/var/lib/fyke"),
) -> Location:
    """The server to use. Raises ``CommandFailed`` if none is known."""
    source = "--url" if url else "FYKE_URL"
    url = url or environment.get("FYKE_URL", "")
    key = key or environment.get("FYKE_KEY", "")
    folder = data_folder(home, environment, system_home)
    if url:
        url = url.rstrip("/")
        if not url.startswith(("http://", "https://")):
            raise CommandFailed(f"{source} {url}: must start with http:// or https://", Exit.USAGE)
        if not key and url == _local_url(folder):
            key = _local_key(folder)
        return Location(url, key)
    local = _local_url(folder)
    if not local:
        refuse_unreadable(folder)
        _refuse_node(folder)
        found = "has no server.json" if folder.is_dir() else "does not exist"
        if folder.is_file():
            found = "is a file, not a folder"
        from fyke.cli.nodes_server import start_command, was_made_with_nodes

        start = start_command(folder) if was_made_with_nodes(folder) else "fyke up"
        raise CommandFailed(
            f"Fyke is not running on this machine ({folder} {found}). Start it with "
            f"{start}, name the data folder of a running one with --home or FYKE_HOME, or another "
            "server with --url or FYKE_URL",
            Exit.UNREACHABLE,
        )
    return Location(local, key or _local_key(folder, required=True))


def refuse_unreadable(folder: Path) -> None:
    """Raise ``CommandFailed`` if this user may not read which server runs in the data folder."""
    file = folder / "server.json"
    try:
        file.open("rb").close()
    except PermissionError:
        raise CommandFailed(
            f"{file} may not be read by this user, so it is not known which server runs there. Use "
            "--url and --key (FYKE_URL and FYKE_KEY) with your own key, or the user that runs "
            "Fyke, or root",
            Exit.AUTH,
        ) from None
    except OSError:
        return


def _refuse_node(folder: Path) -> None:
    """Raise ``CommandFailed`` for the folder of a node, where no server can be started."""
    from fyke.app.folder import NODE_FILE, is_node

    if is_node(folder):
        raise CommandFailed(
            f"{folder} is the folder of a node ({NODE_FILE}), which has no server. Give this "
            "command on the machine of the installation, or name its server with --url and --key "
            "or FYKE_URL and FYKE_KEY",
            Exit.UNREACHABLE,
        )


def data_folder(
    home: str | None, environment: Mapping[str, str], system_home: Path = Path("/var/lib/fyke")
) -> Path:
    """The data folder: the requested one; that of the system for root, or if only that one has a
    running server that this user can use; else that of the user."""
    folder = home or environment.get("FYKE_HOME")
    if folder:
        return Path(folder).expanduser().absolute()
    if os.geteuid() == 0:
        return system_home
    user_home = Path.home() / ".fyke"
    system_server = system_home / "server.json"
    if not (user_home / "server.json").exists() and os.access(system_server, os.R_OK):
        return system_home
    return user_home


def _local_url(folder: Path) -> str:
    try:
        return str(json.loads((folder / "server.json").read_text())["url"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _local_key(folder: Path, *, required: bool = False) -> str:
    file = folder / "owner.key"
    try:
        return file.read_text().strip()
    except OSError as error:
        if not required:
            return ""
        raise CommandFailed(
            f"The key of this installation cannot be read ({file}: {error.strerror}). Use the "
            "user that runs Fyke, or root, or pass your own key with --key or FYKE_KEY",
            Exit.AUTH,
        ) from None


# --- commands that use the server -------------------------------------------------------------


class ServerContext:
    """The server, the client and the output of a command."""

    def __init__(self, url: str | None, key: str | None, home: str | None, as_json: bool) -> None:
        self.out = Output(as_json)
        self._options = (url, key, home)

    @functools.cached_property
    def location(self) -> Location:
        return locate(*self._options, os.environ)

    @functools.cached_property
    def client(self) -> FykeAdmin:
        from fyke_client import FykeAdmin

        location = self.location
        try:
            return FykeAdmin(location.url, location.key, retries=0)
        except ValueError as error:
            raise CommandFailed(str(error), Exit.USAGE) from None

    @property
    def home(self) -> str | None:
        """What ``--home`` names."""
        return self._options[2]

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
    """Register a command of ``group``; its function takes a ``ServerContext`` first.

    Adds the options ``--url``, ``--key``, ``--home`` and ``--json``.
    """

    def decorate(function: F) -> F:
        signature = inspect.signature(function, eval_str=True)
        common = [
            inspect.Parameter(
                name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation
            )
            for name, annotation, default in _COMMON
        ]
        function_parameters = [
            parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
            for parameter in list(signature.parameters.values())[1:]
        ]

        def command(**arguments: Any) -> None:
            server = ServerContext(*(arguments.pop(name) for name, _, _ in _COMMON))
            try:
                function(server, **arguments)
            except Exception as error:
                from fyke.cli.run_options import use_option_names

                add_missing_name(error, arguments)
                use_option_names(error, arguments)
                raise
            finally:
                server.close()

        parameters = [*function_parameters, *common]
        command.__doc__ = function.__doc__
        command.__name__ = function.__name__
        command.__module__ = function.__module__
        command.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        command.__annotations__ = {p.name: p.annotation for p in parameters}
        group.command(name)(command)
        return function

    return decorate


def group() -> typer.Typer:
    """A group of commands; ``fyke.cli.main`` has its help."""
    return typer.Typer(cls=_Group, no_args_is_help=True, rich_markup_mode=None)


class _Group(TyperGroup):
    """Says how to get help to who asks for it as for a command."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args[0] == "help":
            ctx.fail(
                f"No such command 'help'. Use '{ctx.command_path} --help' "
                f"or 'fyke help {ctx.info_name}'."
            )
        return super().resolve_command(ctx, args)
