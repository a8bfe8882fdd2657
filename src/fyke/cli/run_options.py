"""Options that several commands about runs share."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated

import typer

from fyke.model.browser import BrowserBlock, BrowserProgram

InputOption = Annotated[
    str | None,
    typer.Option(
        "--input", "-i", help="A file, - for standard input, or JSON.", metavar="FILE|-|JSON"
    ),
]
VersionOption = Annotated[
    str, typer.Option("--version", help="A version instead of the newest.", metavar="VERSION")
]
CallbackOption = Annotated[
    str,
    typer.Option("--callback", help="URL that is called when the run has ended.", metavar="URL"),
]
WaitOption = Annotated[
    bool, typer.Option("--wait", "-w", help="Wait for the end; exit status 1 if it failed.")
]
FollowOption = Annotated[
    bool, typer.Option("--follow", "-f", help="Wait, and show the log as it is written.")
]
WaitSecondsOption = Annotated[
    float | None,
    typer.Option(
        "--timeout-seconds", help="Maximum time to wait; then exit status 124.", min=0, metavar="S"
    ),
]
QueuedOption = Annotated[
    bool,
    typer.Option("--queued", help="Put the start into the run queue, see fyke queue."),
]
FAILED_ROWS = "--failed-rows"
FailedRowsOption = Annotated[
    bool, typer.Option(FAILED_ROWS, help="Include rows that are hidden because the Worker failed.")
]


def _device(memory: int | None) -> int | None:
    from fyke.domain.workers.parameters import DEVICES

    if memory is not None and memory not in DEVICES:
        raise typer.BadParameter(f"must be one of {', '.join(map(str, DEVICES))}, not {memory}")
    return memory


MemoryOption = Annotated[
    int | None,
    typer.Option(
        "--memory",
        help="MB: 512, 1024, 2048, 4096, 8192 or 16384.",
        metavar="MB",
        callback=_device,
    ),
]
CpusOption = Annotated[
    float | None, typer.Option("--cpus", help="Cores; by default they depend on the memory.", min=0)
]
TimeoutOption = Annotated[
    int | None,
    typer.Option("--timeout", help="Seconds that each subtask may take.", metavar="S", min=1),
]
MaxChargeOption = Annotated[
    float | None,
    typer.Option("--max-charge", help="US dollars that the run may cost.", metavar="USD", min=0),
]
MaxTrafficOption = Annotated[
    float | None,
    typer.Option("--max-traffic", help="MB of traffic that the run may use.", metavar="MB", min=0),
]
BrowserMemoryOption = Annotated[
    int | None,
    typer.Option(
        "--browser-memory", help="MB for the browser of each subtask.", metavar="MB", min=0
    ),
]
HeadfulOption = Annotated[
    bool | None,
    typer.Option(
        "--headful/--headless",
        help="Browsers with or without windows (on a virtual display).",
        show_default=False,
    ),
]
BrowserProgramOption = Annotated[
    BrowserProgram | None,
    typer.Option(
        "--browser-program",
        help="Browser of the run: headless-shell or chromium.",
        metavar="PROGRAM",
        case_sensitive=False,
    ),
]
RegionOption = Annotated[
    str | None, typer.Option("--region", help="Two letters, for example DE.", metavar="CODE")
]
EgressAllowOption = Annotated[
    list[str] | None,
    typer.Option(
        "--egress-allow",
        help="A private address that this run may reach (for the operator); may be repeated.",
        metavar="HOST:PORT",
    ),
]


def _blocked(types: str | None) -> str | None:
    """The types in lower case, separated by commas without blanks."""
    if types is None:
        return None
    names = [name.strip().lower() for name in types.split(",")]
    unknown = next((name for name in names if name not in [*BrowserBlock]), None)
    if unknown is not None:
        rule = f"must be one of {', '.join(BrowserBlock)}"
        raise typer.BadParameter(f'"{unknown}" {rule}; separate several by commas')
    return ",".join(names)


BrowserBlockOption = Annotated[
    str | None,
    typer.Option(
        "--browser-block",
        help="What browsers do not load: images, media, fonts, stylesheets, separated by commas.",
        metavar="TYPES",
        callback=_blocked,
    ),
]

# parameter of a command to member of ``system`` on the wire
_MEMBERS = {
    "memory": "memory",
    "cpus": "cpus",
    "timeout": "execute_limit_time_seconds",
    "max_charge": "max_total_charge",
    "max_traffic": "max_total_traffic",
    "browser_memory": "browser_memory",
    "headful": "browser",
    "browser_program": "browser_program",
    "region": "proxy_region",
    "egress_allow": "egress_allow",
    "browser_block": "browser_block",
}
_FIELD = re.compile(r"input\.parameters\.system\.(\w+)")


def with_option_names(text: str, arguments: Mapping[str, object]) -> str:
    """An error message that names the options of a command which were given in ``arguments``, and
    not the members of the request that they set.
    """
    names = {
        member: "--headless" if arguments[name] is False else f"--{name.replace('_', '-')}"
        for name, member in _MEMBERS.items()
        if arguments.get(name) is not None
    }
    return _FIELD.sub(lambda match: names.get(match[1], match[0]), text)


def use_option_names(error: Exception, arguments: Mapping[str, object]) -> None:
    """The same for the message of an error."""
    if message := getattr(error, "message", ""):
        message = with_option_names(message, arguments)
        error.args = (message, *error.args[1:])
        error.message = message  # type: ignore[attr-defined]
        details = [with_option_names(text, arguments) for text in getattr(error, "details", ())]
        error.details = details  # type: ignore[attr-defined]


def system_of(
    *,
    memory: int | None = None,
    cpus: float | None = None,
    timeout: int | None = None,
    max_charge: float | None = None,
    max_traffic: float | None = None,
    region: str | None = None,
    egress_allow: list[str] | None = None,
    browser_memory: int | None = None,
    browser_block: str | None = None,
    headful: bool | None = None,
    browser_program: BrowserProgram | None = None,
) -> dict[str, object]:
    """The options that are not None, as members of ``system`` on the wire."""
    members: dict[str, object] = {
        "memory": memory,
        "cpus": cpus,
        "execute_limit_time_seconds": timeout,
        "max_total_charge": max_charge,
        "max_total_traffic": max_traffic,
        "browser_memory": browser_memory,
        "browser": None if headful is None else "headful" if headful else "headless",
        "browser_program": browser_program and browser_program.value,
        "proxy_region": region,
        "egress_allow": egress_allow or None,
        "browser_block": None if browser_block is None else browser_block.split(","),
    }
    return {name: value for name, value in members.items() if value is not None}
