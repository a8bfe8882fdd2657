"""What follows the start of the roles: wait for an answer, publish, say where it is, the tour."""

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
    """Wait until it answers, publish the Workers that ship with Fyke, show the tour if asked.

    Returns the exit status of the tour; raises ``CommandFailed``.
    """
    wait_until_ready(base, READY_SECONDS)
    publish_shipped(settings, base)
    setup = setup_link(settings, base)
    if as_json:
        said = {"url": base, "home": str(settings.home), **({"setup_url": setup} if setup else {})}
        print(json.dumps(said), flush=True)
    if tour:
        from fyke.cli.tour import Tour

        code = Tour(settings, base, url).run()
        if once or code:
            return code
    _say(f"Fyke is running at {base} (data in {settings.home}); Ctrl-C drains and stops.")
    if setup and not as_json:
        _say(f"Choose the owner's password, once and within a day, at {setup}")
    return Exit.OK


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
