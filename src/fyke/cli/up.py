"""``fyke up``: the whole platform on one machine, in the foreground.

If it is started as root, this process becomes the root supervisor. That starts the launcher as
root, and ``fyke up`` again as the service user, so no process that opens a port is root. In either
case a smaller program replaces this one (``fyke.cli.root_supervisor`` or ``fyke.cli.supervise``).
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from typing import IO, TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from fyke.cli.settings import ChangeSettings, load_settings

if TYPE_CHECKING:
    from fyke.settings import Settings

MAX_LOG_BYTES = 10 * 2**20


def up(
    home: Annotated[str | None, typer.Option(help="The data folder.")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[
        int | None,
        typer.Option(help="Port to listen on (8100); 0: any that is free.", min=0, max=65535),
    ] = None,
    servers: Annotated[
        int | None,
        typer.Option(help="Server processes on this address: 1 to 64 (1).", min=1, max=64),
    ] = None,
    change_settings: ChangeSettings = False,
    tour: Annotated[
        bool, typer.Option("--tour", help="Run one complete job and show every request.")
    ] = False,
    url: Annotated[
        str | None, typer.Option(help="Site to crawl in the tour, instead of Python's own docs.")
    ] = None,
    browser: Annotated[
        bool, typer.Option("--browser", help="In the tour, crawl a page that needs a browser.")
    ] = False,
    nodes: Annotated[
        int, typer.Option("--tour-nodes", min=0, hidden=True)  # see script/lib/nodes.sh
    ] = 0,
    once: Annotated[bool, typer.Option("--once", help="Stop after the tour.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the URL as JSON.")] = False,
    check: Annotated[
        bool,
        typer.Option("--check", hidden=True, help="Only check options and settings."),
    ] = False,
    parent: Annotated[int | None, typer.Option(hidden=True)] = None,
    launcher_events: Annotated[int | None, typer.Option(hidden=True)] = None,
) -> None:
    """Start server, runner, egress and browser gateway, and keep them running until Ctrl-C.

    Examples: fyke up; fyke up --port 9000 --servers 2; fyke up --home ./data --tour --once
    """
    from fyke.cli.nodes_server import refuse_without_server

    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # set by a shell for background jobs
        signal.signal(signal.SIGINT, signal.default_int_handler)
    os.umask(0o077)  # others can traverse the data folder, but not read its files
    settings = load_settings(home=home, host=host, port=port, servers=servers)
    refuse_node(settings)
    if check:
        _check_start(settings)
        return
    refuse_without_server(settings)
    refuse_new_folder(settings)
    if os.geteuid() == 0:
        from fyke.cli.root_start import start_as_root

        # that process has another working folder: append --home as an absolute path, which
        # overrides a relative one
        start_as_root(settings, [*sys.argv[1:], "--home", str(settings.home)])
    if parent is not None:
        from fyke.kit.prctl import end_with_parent

        end_with_parent(parent)  # without the root supervisor there is no launcher
    first_job: dict[str, Any] = {"tour": tour or once, "url": url, "once": once, "as_json": as_json}
    first_job |= {"browser": browser, "nodes": nodes}
    supervise(settings, first_job, launcher_events, change_settings=change_settings)


def _check_start(settings: Settings) -> None:
    """Raise ``CommandFailed`` if Fyke runs in the data folder, or its port is in use. Nothing is
    made.
    """
    from fyke.cli.listening import listen, refuse_if_locked
    from fyke.cli.owner import as_owner

    with contextlib.suppress(OSError):  # a folder that cannot be read is refused later
        if settings.home.exists():
            with as_owner(settings.home, settings.service_user):
                refuse_if_locked(settings)
    listen(settings).close()


def refuse_new_folder(settings: Settings) -> None:
    """Raise ``CommandFailed`` if the data folder is not made yet, and the port is in use: it would
    be left half made. Whether one that is there is in use comes first, see ``supervise``.
    """
    from fyke.cli.listening import listen

    with contextlib.suppress(OSError):
        if not settings.home.exists() or not any(settings.home.iterdir()):
            listen(settings).close()


def refuse_node(settings: Settings) -> None:
    """Raise ``CommandFailed`` for the folder of a node."""
    from fyke.app.folder import is_node
    from fyke.cli.errors import CommandFailed, Exit

    if is_node(settings.home):
        raise CommandFailed(
            f"The folder {settings.home} is that of a node: start it with fyke node up, or choose "
            "another one with --home",
            Exit.CONFLICT,
        )


def supervise(
    settings: Settings,
    first_job: dict[str, Any] | None,
    launcher_events: int | None,
    *,
    change_settings: bool = False,
) -> NoReturn:
    """Prepare the data folder, the lock and the port; become the supervisor, or raise
    ``CommandFailed``. Without a ``first_job`` it runs the roles of a node.
    """
    from fyke.app.browser_availability import serves_browsers
    from fyke.app.folder import make_home
    from fyke.app.role_settings import store
    from fyke.cli.handover import exec_module
    from fyke.cli.listening import listen, lock_home, unwritable

    try:
        make_home(settings)
    except OSError as error:
        raise unwritable(settings, error) from None
    lock = lock_home(settings)
    listener = listen(settings) if first_job is not None else None
    is_tour = first_job is not None and first_job["tour"]
    log_to = _log_file(settings) if is_tour or sys.stderr.isatty() else sys.stderr
    browser = serves_browsers(settings)
    stored = store(_role_settings(settings, is_node=first_job is None, browser=browser))
    data = {
        "settings": stored,
        "listener": listener and listener.fileno(),
        "log_to": log_to.fileno(),
        "log_level": settings.log_level,
        "server_file": str(settings.server_file),
        "roles_file": str(settings.run_dir / "roles.json"),
        "drain_seconds": settings.drain_seconds,
        "lease_seconds": settings.lease_seconds,
        "launcher": settings.launcher,
        "browser": browser,
        "servers": settings.servers,
        "first_job": first_job,
        "launcher_events": launcher_events,
        "change_settings": change_settings,
    }
    descriptors = [lock, log_to.fileno(), stored]
    descriptors += [] if listener is None else [listener.fileno()]
    descriptors += [] if launcher_events is None else [launcher_events]
    exec_module(
        "fyke.cli.supervise", data, _role_environment(settings, browser=browser), *descriptors
    )


def _log_file(settings: Settings) -> IO[bytes]:
    """The log of the roles in the data folder; a large file is renamed to ``.1`` first."""
    path = settings.home / "fyke.log"
    if path.exists() and path.stat().st_size > MAX_LOG_BYTES:
        path.replace(path.with_suffix(".log.1"))
    print(f"The platform logs to {path}.", file=sys.stderr, flush=True)
    return path.open("ab")


def _role_settings(settings: Settings, *, is_node: bool, browser: bool) -> Settings:
    """What roles get that do not read settings themselves."""
    if is_node:
        from fyke.settings.shared import for_node

        settings = for_node(settings)
    return settings if browser else settings.model_copy(update={"browser": "off"})


def _role_environment(settings: Settings, *, browser: bool) -> dict[str, str]:
    """The environment of the roles, including the settings that were given as flags. Without the
    role ``browser``, a runner that is restarted later must not find a browser either.
    """
    overrides: dict[str, Any] = {
        "FYKE_HOME": settings.home,
        "FYKE_HOST": settings.host,
        "FYKE_PORT": settings.port,
        "FYKE_SERVERS": settings.servers,
        "FYKE_NODE_LEAVE": int(settings.node_leave),
        "FYKE_NODE_IDLE_MINUTES": settings.node_idle_minutes,
    }
    if not browser:
        overrides["FYKE_BROWSER"] = "off"
    return {**os.environ, **{name: str(value) for name, value in overrides.items()}}
