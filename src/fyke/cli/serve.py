"""``fyke serve --role NAME``: one role in this process. ``fyke up`` starts all roles."""

from __future__ import annotations

import gc
import os
from typing import Annotated

import typer

from fyke.app.roles import RoleName, run_role
from fyke.cli.collecting import USUAL_COLLECTIONS
from fyke.cli.errors import CommandFailed, Exit, report
from fyke.cli.settings import ChangeSettings, load_settings


def serve(
    role: Annotated[RoleName, typer.Option(help="Which role to run in this process.")],
    host: Annotated[str | None, typer.Option(help="Address to listen on (server).")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on (server).")] = None,
    home: Annotated[str | None, typer.Option(help="The data folder.")] = None,
    change_settings: ChangeSettings = False,
) -> None:
    """Run one role in the foreground, for installations of several machines.

    Examples: fyke serve --role server --port 8100; fyke serve --role runner
    """
    from fyke.app.prepare import prepare
    from fyke.cli.listening import check_exposure, listen
    from fyke.cli.up import refuse_node
    from fyke.telemetry.logging import configure

    if os.geteuid() == 0:
        raise CommandFailed(
            "A role does not run as root. Start it as the user of the data folder, such as\n"
            f"  runuser -u fyke -- fyke serve --role {role.value}\n"
            'or start the platform with "fyke up", which drops root itself.',
            Exit.USAGE,
        )
    gc.set_threshold(*USUAL_COLLECTIONS)
    os.umask(0o077)
    settings = load_settings(home=home, host=host, port=port)
    refuse_node(settings)
    configure(role.value, settings.log_level)
    is_server = role is RoleName.SERVER
    prepare(settings, report, change=change_settings, owner_password=is_server)
    listener = None
    if is_server:
        check_exposure(settings)
        listener = listen(settings)
    run_role(role, settings, listener)
