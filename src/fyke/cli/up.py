"""``fyke up``: the whole platform on one machine, in the foreground.

Started as root, this process only supervises: it starts the launcher (root, small) and itself
again as the service user, and forwards signals. Every process that opens a port has dropped root.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from typing import IO, TYPE_CHECKING, Annotated, Any

import typer

from fyke.cli.context import load_settings
from fyke.cli.errors import CommandFailed, Exit

if TYPE_CHECKING:
    import socket

    from fyke.settings import Settings

READY_SECONDS = 60.0
LOG_KEPT_BYTES = 10 * 2**20


def up(
    home: Annotated[str | None, typer.Option(help="The data folder.")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.")] = None,
    tour: Annotated[
        bool, typer.Option("--tour", help="Do one whole job and show every request.")
    ] = False,
    url: Annotated[
        str | None, typer.Option(help="Site to crawl in the tour, instead of Python's own docs.")
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="Stop after the tour.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Say where it listens as JSON.")] = False,
) -> None:
    """Start server, runner and egress on this machine, and keep them running until Ctrl-C.

    Examples: fyke up; fyke up --port 9000 --home ./data; fyke up --tour --once
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # by a shell, for a program with "&"
        signal.signal(signal.SIGINT, signal.default_int_handler)
    os.umask(0o077)  # the data folder may be passed through; what lies in it may not be read
    settings = load_settings(home=home, host=host, port=port)
    if os.geteuid() == 0:
        from fyke.cli.root_supervisor import supervise_as_root

        sys.exit(supervise_as_root(settings, sys.argv[1:]))
    if settings.launcher:
        from fyke.cli.supervisor import die_with_parent

        die_with_parent(os.getppid())  # without its supervisor there would be no launcher either
    listener = _get_ready(settings)
    sys.exit(asyncio.run(_up(settings, listener, tour or once, url, once, as_json)))


def _get_ready(settings: Settings) -> socket.socket:
    """Data folder, port, schema, first account: in this order, each with a clear complaint."""
    from fyke.app.folder import make_home
    from fyke.cli.listening import check_exposure, listen, lock_home, unwritable
    from fyke.telemetry.logging import configure

    configure("supervisor", settings.log_level)
    try:
        make_home(settings)
    except OSError as error:
        raise unwritable(settings, error) from None
    lock_home(settings)
    listener = listen(settings)
    prepared = subprocess.run(
        [sys.executable, "-m", "fyke.app.prepare"], env=_role_environment(settings), check=False
    )
    if prepared.returncode:
        raise CommandFailed(f"The data folder {settings.home} could not be made ready; see above")
    check_exposure(settings)
    return listener


async def _up(
    settings: Settings,
    listener: socket.socket,
    tour: bool,
    url: str | None,
    once: bool,
    as_json: bool,
) -> int:
    from fyke.app.folder import write_private
    from fyke.cli.supervisor import Supervisor

    name, port = listener.getsockname()[:2]
    base = f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"
    write_private(settings.server_file, json.dumps({"url": base, "pid": os.getpid()}))
    listener.set_inheritable(True)
    log_to = _log_file(settings) if tour or sys.stderr.isatty() else None
    supervisor = Supervisor(_role_environment(settings), listener, log_to)
    asked, hurry = _on_signals()
    supervisor.start()
    try:
        job = asyncio.create_task(_first_job(settings, base, tour, url, once, as_json))
        waiting = asyncio.create_task(asked.wait())
        await asyncio.wait({job, waiting}, return_when=asyncio.FIRST_COMPLETED)
        code = Exit.INTERRUPTED if not job.done() else job.result()
        if not (once or asked.is_set()) and code == Exit.OK:
            await waiting
        if not job.done():
            job.cancel()
            await asyncio.gather(job, return_exceptions=True)
            code = Exit.INTERRUPTED if once else Exit.OK
        waiting.cancel()
        return int(code)
    finally:
        await supervisor.drain(settings.drain_seconds, hurry, _say)
        settings.server_file.unlink(missing_ok=True)


async def _first_job(
    settings: Settings, base: str, tour: bool, url: str | None, once: bool, as_json: bool
) -> int:
    """Wait until it answers, publish the Workers that ship with Fyke, show the tour if asked."""
    from fyke.cli.shipped import publish_shipped, setup_link, wait_until_ready

    await asyncio.to_thread(wait_until_ready, base, READY_SECONDS)
    await asyncio.to_thread(publish_shipped, settings, base)
    setup = await asyncio.to_thread(setup_link, settings, base)
    if as_json:
        said = {"url": base, "home": str(settings.home), **({"setup_url": setup} if setup else {})}
        print(json.dumps(said), flush=True)
    if tour:
        from fyke.cli.tour import Tour

        code = await asyncio.to_thread(Tour(settings, base, url).run)
        if once or code:
            return code
    _say(f"Fyke is running at {base} (data in {settings.home}); Ctrl-C drains and stops.")
    if setup and not as_json:
        _say(f"Choose the owner's password, once and within a day, at {setup}")
    return Exit.OK


def _log_file(settings: Settings) -> IO[bytes]:
    """Where the roles log while a person reads the terminal; the file before is kept as ``.1``."""
    path = settings.home / "fyke.log"
    if path.exists() and path.stat().st_size > LOG_KEPT_BYTES:
        path.replace(path.with_suffix(".log.1"))
    _say(f"The platform logs to {path}.")
    return path.open("ab")


def _role_environment(settings: Settings) -> dict[str, str]:
    """The roles read the same settings as we did, flags included."""
    chosen: dict[str, Any] = {
        "FYKE_HOME": settings.home,
        "FYKE_HOST": settings.host,
        "FYKE_PORT": settings.port,
    }
    return {**os.environ, **{name: str(value) for name, value in chosen.items()}}


def _on_signals() -> tuple[asyncio.Event, asyncio.Event]:
    """(first signal seen, second signal seen)."""
    asked, hurry = asyncio.Event(), asyncio.Event()

    def on_signal() -> None:
        (hurry if asked.is_set() else asked).set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, on_signal)
    return asked, hurry


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
