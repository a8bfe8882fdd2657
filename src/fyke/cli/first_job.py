"""The first job after the start of the roles: publish Workers, print the URL, run the tour."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from fyke.cli.errors import CommandFailed, Exit
from fyke.cli.shipped import publish_shipped, setup_link, wait_until_ready
from fyke.settings import SYSTEM_HOME, Settings

READY_SECONDS = 60.0
NO_OWNER_KEY = (
    "This data folder has no owner.key, because another data folder on this database was started "
    "first. To administer the installation from here, copy owner.key from that folder; to replace "
    "a lost key, run: fyke db owner-key"
)


def first_job(
    settings: Settings,
    base: str,
    tour: bool,
    url: str | None,
    once: bool,
    as_json: bool,
    browser: bool = False,
    nodes: int = 0,
) -> int:
    """Wait until the server is ready, publish the Workers that ship with Fyke, and run the tour if
    requested. Returns the exit status of the tour. Raises ``CommandFailed``.
    """
    wait_until_ready(base, READY_SECONDS, give_up=tour)
    setup_url = ""
    if settings.owner_key_file.exists():
        publish_shipped(settings, base)
        setup_url = setup_link(settings, base)
    elif tour:
        raise CommandFailed(NO_OWNER_KEY)
    else:
        _print(NO_OWNER_KEY)
    printed = (sys.stdout if as_json else sys.stderr).isatty()
    _store_link(settings, "" if printed else setup_url)
    if as_json:
        output = {"url": base, "home": str(settings.home)}
        if setup_url:
            link = {"setup_url": setup_url} if printed else {"setup_file": _file(settings)}
            output |= link
        print(json.dumps(output), flush=True)
    if tour:
        from fyke.cli.tour import Tour

        code = Tour(settings, base, url, browser=browser, nodes=nodes).run()
        if once or code:
            return code
    _print(f"Fyke is running at {base} (data in {settings.home}); Ctrl-C drains and stops.")
    if settings.home != (SYSTEM_HOME if settings.launcher else Path.home() / ".fyke"):
        _print(
            f"Other commands find it with --home {settings.home}, or with the environment variable "
            f"FYKE_HOME={settings.home}."
        )
    if setup_url and not as_json:
        place = f"at {setup_url}" if printed else f"at the address in the file {_file(settings)}"
        _print(f"Choose the owner's password within a day {place} (this link works once)")
    return Exit.OK


def _store_link(settings: Settings, link: str) -> None:
    """Store the link in a file of the data folder; remove an older one. Output that is not shown in
    a terminal may be kept in a log that other users can read.
    """
    from fyke.app.folder import write_private

    if link:
        write_private(settings.setup_link_file, link)
    else:
        settings.setup_link_file.unlink(missing_ok=True)


def _file(settings: Settings) -> str:
    return str(settings.setup_link_file)


def _print(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
