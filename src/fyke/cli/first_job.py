"""The first job after the start of the roles: publish Workers, print the URL, run the tour."""

from __future__ import annotations

import json
import sys

from fyke.cli.errors import Exit
from fyke.cli.shipped import publish_shipped, setup_link, wait_until_ready
from fyke.settings import Settings

READY_SECONDS = 60.0


def first_job(
    settings: Settings, base: str, tour: bool, url: str | None, once: bool, as_json: bool
) -> int:
    """Wait until the server is ready, publish the Workers that ship with Fyke, and run the tour if
    requested. Returns the exit status of the tour. Raises ``CommandFailed``.
    """
    wait_until_ready(base, READY_SECONDS)
    publish_shipped(settings, base)
    setup_url = setup_link(settings, base)
    if as_json:
        output = {"url": base, "home": str(settings.home)}
        if setup_url:
            output["setup_url"] = setup_url
        print(json.dumps(output), flush=True)
    if tour:
        from fyke.cli.tour import Tour

        code = Tour(settings, base, url).run()
        if once or code:
            return code
    _print(f"Fyke is running at {base} (data in {settings.home}); Ctrl-C drains and stops.")
    if setup_url and not as_json:
        _print(f"Choose the owner's password within a day at {setup_url} (this link works once)")
    return Exit.OK


def _print(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
