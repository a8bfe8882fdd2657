"""``fyke node join``: make this machine a node of an installation."""

from __future__ import annotations

import contextlib
import os
import shlex
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fyke.cli.context import HomeOption, JsonOption
from fyke.cli.errors import CommandFailed, Exit
from fyke.cli.node import nodes
from fyke.cli.node_options import LabelOption, given, invalid_options, label_text, labels_of
from fyke.cli.output import Output
from fyke.cli.settings import load_settings
from fyke.kit.hostports import parse_address
from fyke.model.gateway import GATEWAY_PORT

if TYPE_CHECKING:
    from fyke.app.node_folder import NodeFolder
    from fyke.settings import Settings

TOKEN = "FYKE_NODE_TOKEN"  # noqa: S105 - the name of a variable
_REMEDY = (
    "check that Fyke runs there, that its setting gateway_host is an address that this machine "
    "reaches, and that no firewall closes the port"
)


GatewayOption = Annotated[
    list[str] | None,
    typer.Option(
        "--gateway",
        help="The address of another gateway of the installation, for when the others do not "
        "answer; may be repeated.",
        metavar="GATEWAY",
    ),
]


ReplaceOption = Annotated[
    bool,
    typer.Option(
        "--replace",
        help="Take over the name of a node that is connected: that node ends, and its attempts are "
        "lost.",
    ),
]


@nodes.command("join")
def join(
    url: Annotated[
        str,
        typer.Argument(
            help="Address of the gateway, HOST or HOST:PORT, as fyke node token prints it (default "
            f"port: {GATEWAY_PORT}).",
            metavar="GATEWAY",
        ),
    ],
    token: Annotated[
        str | None,
        typer.Option(
            "--token", help=f"A token from fyke node token (default: the variable {TOKEN})."
        ),
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", help="The name of the node (default: the host name).")
    ] = None,
    pool: Annotated[
        str | None,
        typer.Option(
            "--pool", help="The pool of the node (default: that of the token, or else default)."
        ),
    ] = None,
    label: LabelOption = None,
    more: GatewayOption = None,
    replace: ReplaceOption = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make this machine a node of an installation.

    Its certificate and key are written to the data folder. The token is sent only to a gateway of
    the installation that made it. A data folder that already belongs to a node or an installation
    is refused, with exit status 5.

    \b
    Examples:
      fyke node join gateway.example:8110 --token fyken_...
      fyke node join 10.0.0.5 --gateway 10.0.0.6 --token fyken_...
      FYKE_NODE_TOKEN=fyken_... fyke node join 10.0.0.5 --name gpu-1 --pool gpu --label disk=ssd
    """
    settings = load_settings(home=home)
    urls = [url, *(more or ())]
    node = join_installation(settings, urls, token, name, pool, label, replace=replace)
    _print(Output(as_json), node, settings.home, home_text(settings))


def join_installation(
    settings: Settings,
    urls: list[str],
    token: str | None,
    name: str | None,
    pool: str | None,
    label: list[str] | None,
    *,
    replace: bool = False,
    passed_with: str = "--token or ",
) -> NodeFolder:
    """Join by one of the gateways, with the options of the command. ``passed_with`` is named
    before the variable when the token is missing. Raises ``CommandFailed`` and ``FykeError``.
    """
    from fyke.app.node_folder import join_from
    from fyke.cli.owner import as_owner
    from fyke.domain.nodes.tokens import parse_token
    from fyke.errors import Forbidden, InvalidRequest, Unavailable

    addresses, labels = [*dict.fromkeys(gateway_of(url) for url in urls)], labels_of(label)
    asked_name, asked_pool = given("--name", name), given("--pool", pool)
    text = given("--token", token) or os.environ.get(TOKEN, "")
    if not text:
        raise CommandFailed(
            f"A token is missing: make one on the installation with fyke node token, and pass it "
            f"with {passed_with}{TOKEN}",
            Exit.USAGE,
        )
    parse_token(text)
    own_name = asked_name or socket.gethostname().lower()
    try:
        with _without_remains(settings.home):
            if os.geteuid() == 0:
                _give_to_service(settings)
            os.umask(0o077)
            with as_owner(settings.home, settings.service_user):
                return join_from(
                    settings.home,
                    addresses,
                    text,
                    own_name,
                    asked_pool,
                    labels,
                    replace=replace,
                )
    except InvalidRequest as error:
        raise invalid_options(error.details or [error.message]) from None
    except Forbidden as error:
        raise CommandFailed(error.message, Exit.AUTH) from None
    except Unavailable as error:
        has_remedy = bool(error.problems[0].remedy)
        text = error.message if has_remedy else f"{error.message}; {_REMEDY}"
        raise CommandFailed(text, Exit.UNREACHABLE) from None
    except OSError as error:
        raise _unwritable(settings, error) from None


def home_text(settings: Settings) -> str:
    """The option that names the data folder, with a space before it; "" for the default one."""
    from fyke.settings import default_home

    if settings.home == default_home():
        return ""
    return f" --home {shlex.quote(str(settings.home))}"


def _print(out: Output, node: NodeFolder, home: Path, option: str) -> None:
    from fyke.app.folder import NODE_FILE

    if out.as_json:
        out.json(
            {
                "name": node.name,
                "pool": node.pool,
                "labels": node.labels,
                "gateways": node.gateway_names(),
                "home": str(home),
            }
        )
        return
    out.fields(
        [
            ("node", node.name),
            ("pool", node.pool),
            ("labels", label_text(node.labels) or "-"),
            ("gateways", " ".join(node.gateway_names())),
            ("folder", home),
        ]
    )
    out.say(
        f"This machine is a node now; start it with fyke node up{option}. Keep "
        f"{home / NODE_FILE} secret: it is its key."
    )


@contextlib.contextmanager
def _without_remains(home: Path) -> Iterator[None]:
    """Remove what was made of the folder and its parents for a join that fails, if it is empty."""
    made = [folder for folder in (home, *home.parents) if not folder.exists()]
    try:
        yield
    except BaseException:
        for folder in made:
            with contextlib.suppress(OSError):
                folder.rmdir()
        raise


def _give_to_service(settings: Settings) -> None:
    """Give a folder that is missing, or is root's and not used yet, to the user who will work in
    it, as ``fyke up`` does. One with other files stays root's: it may be no data folder.
    """
    from fyke.cli.root_start import chown_home, service_user_of

    home = settings.home
    if not home.exists() or (_is_of_root(home) and _is_unused(home)):
        chown_home(settings, service_user_of(settings))


def _is_unused(home: Path) -> bool:
    return all(file.name == "config.toml" for file in home.iterdir())


def _is_of_root(home: Path) -> bool:
    return home.is_dir() and home.stat().st_uid == 0


def _unwritable(settings: Settings, error: OSError) -> CommandFailed:
    from fyke.cli.listening import unwritable

    home, user = settings.home, settings.service_user
    if os.geteuid() == 0 and _is_of_root(home):
        return CommandFailed(
            f"The data folder {home} belongs to root, so that the user {user}, which Fyke runs as, "
            f"cannot write it. Choose another one with --home, or give it to that user: "
            f"chown {user}: {shlex.quote(str(home))}"
        )
    return unwritable(settings, error)


def gateway_of(url: str) -> tuple[str, int]:
    """Host and port of the gateway. Raises ``CommandFailed``."""
    try:
        return parse_address(url.removeprefix("https://").rstrip("/"), GATEWAY_PORT)
    except ValueError:
        raise CommandFailed(
            f"{url}: must be the address of a gateway, such as gateway.example:{GATEWAY_PORT} or "
            f"[2001:db8::1]:{GATEWAY_PORT}, as fyke node token prints it",
            Exit.USAGE,
        ) from None
