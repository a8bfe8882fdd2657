"""Options that several commands about runs share."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Annotated, Any, TypeVar, cast

import typer

from fyke.model.browser import BrowserBlock, BrowserProgram
from fyke.model.run import MAX_RETRIES

InputOption = Annotated[
    str | None,
    typer.Option(
        "--input", "-i", help="A file, - for standard input, or JSON.", metavar="FILE|-|JSON"
    ),
]
VersionOption = Annotated[
    str, typer.Option("--version", help="A version instead of the newest.", metavar="VERSION")
]
TaskVersionOption = Annotated[
    str,
    typer.Option(
        "--version",
        help="A version for all its runs, or latest: the newest at the time of each run.",
        metavar="VERSION",
    ),
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
    typer.Option(
        "--max-charge",
        help="US dollars that the run may cost, where prices are set.",
        metavar="USD",
        min=0,
    ),
]
MaxTrafficOption = Annotated[
    float | None,
    typer.Option("--max-traffic", help="MB of traffic that the run may use.", metavar="MB", min=0),
]
MaxRetriesOption = Annotated[
    int | None,
    typer.Option(
        "--max-retries",
        help="How often a subtask is tried again after its machine was lost or drained.",
        metavar="N",
        min=0,
        max=MAX_RETRIES,
    ),
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

PoolOption = Annotated[
    str | None,
    typer.Option("--pool", help="The pool whose machines take the run.", metavar="NAME"),
]


def _labels(labels: list[str] | None) -> list[str] | None:
    for label in labels or ():
        if "=" not in label:
            raise typer.BadParameter(f'"{label}" must have the form name=value, such as gpu=yes')
    return labels


LabelOption = Annotated[
    list[str] | None,
    typer.Option(
        "--label",
        help="A label that the machine must have, such as gpu=yes; may be repeated.",
        metavar="NAME=VALUE",
        callback=_labels,
    ),
]

# parameter of a command to its annotation and the member of ``system`` on the wire
_OPTIONS = {
    "memory": (MemoryOption, "memory"),
    "cpus": (CpusOption, "cpus"),
    "timeout": (TimeoutOption, "execute_limit_time_seconds"),
    "max_charge": (MaxChargeOption, "max_total_charge"),
    "max_traffic": (MaxTrafficOption, "max_total_traffic"),
    "max_retries": (MaxRetriesOption, "max_retries"),
    "browser_memory": (BrowserMemoryOption, "browser_memory"),
    "headful": (HeadfulOption, "browser"),
    "browser_program": (BrowserProgramOption, "browser_program"),
    "region": (RegionOption, "proxy_region"),
    "egress_allow": (EgressAllowOption, "egress_allow"),
    "browser_block": (BrowserBlockOption, "browser_block"),
    "pool": (PoolOption, "pool"),
    "label": (LabelOption, "labels"),
}
_FIELD = re.compile(r"input\.parameters\.system\.(\w+)")


def with_option_names(text: str, arguments: Mapping[str, object]) -> str:
    """An error message that names the options of a command which were given in ``arguments``, and
    not the members of the request that they set.
    """
    names = {
        member: "--headless" if arguments[name] is False else f"--{name.replace('_', '-')}"
        for name, (_, member) in _OPTIONS.items()
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


def saved_option_error(text: str, saved: Collection[str]) -> str:
    """An error message about a saved option, one of these members of the request, that names the
    option and how to remove it from a task.
    """
    match = _FIELD.search(text)
    if match is None or match[1] not in saved:
        return text
    name = _name_of(match[1])
    text = _FIELD.sub(f"the saved option {name}", text).removesuffix("; leave it out")
    return f"{text}; remove it with fyke task update --reset-option {name}"


def _members_of(names: list[str] | None) -> list[str]:
    """The members of the request that these options set: ``browser-block``, with or without the
    hyphens in front, or as the request names it.
    """
    members: list[str] = []
    for name in names or ():
        wanted = name.removeprefix("--").lower().replace("-", "_")
        wanted = "headful" if wanted == "headless" else wanted
        member = next((m for option, (_, m) in _OPTIONS.items() if wanted in (option, m)), "")
        if not member:
            known = ", ".join(_name_of(member) for _, member in _OPTIONS.values())
            raise typer.BadParameter(f'"{name}" must be one of {known}')
        # the API reads an older name of the memory too
        members += [member, "memory_bytes"] if member == "memory" else [member]
    return members


ResetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--reset-option",
        help="Remove this saved run option, such as browser-block; may be repeated.",
        metavar="OPTION",
        callback=_members_of,
    ),
]


def _name_of(member: str) -> str:
    """The option that sets a member of the request, without the hyphens in front."""
    names = {member: name for name, (_, member) in _OPTIONS.items()}
    return names.get(member, member).replace("_", "-")


class GivenOptions(dict[str, object]):
    """The run options of a call that were given, as members of ``system`` on the wire. ``given``
    are the values by parameter, for ``with_option_names``.
    """

    def __init__(self, given: Mapping[str, Any]) -> None:
        super().__init__(
            (_OPTIONS[name][1], _member(name, value))
            for name, value in given.items()
            if value is not None and value != []
        )
        self.given = given


NO_OPTIONS = GivenOptions({})
RUN_OPTIONS = (*_OPTIONS,)
LOCAL_OPTIONS = tuple(
    name for name in RUN_OPTIONS if name not in ("max_charge", "max_retries", "pool", "label")
)
LIMIT_OPTIONS = RUN_OPTIONS[:5]
F = TypeVar("F", bound=Callable[..., Any])


def with_run_options(names: Sequence[str] = RUN_OPTIONS) -> Callable[[F], F]:
    """Give a command these options, in place of its parameter of type ``GivenOptions``, which gets
    what was given of them. The default of that parameter is ``NO_OPTIONS``.
    """

    def decorate(function: F) -> F:
        signature = inspect.signature(function, eval_str=True)
        parameters: list[inspect.Parameter] = []
        together = ""
        for parameter in signature.parameters.values():
            if parameter.annotation is not GivenOptions:
                parameters.append(parameter)
                continue
            together = parameter.name
            parameters += [
                parameter.replace(name=name, annotation=_OPTIONS[name][0], default=None)
                for name in names
            ]

        @functools.wraps(function)
        def command(*positional: Any, **arguments: Any) -> Any:
            given = {name: arguments.pop(name, None) for name in names}
            return function(*positional, **arguments, **{together: GivenOptions(given)})

        command.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        command.__annotations__ = {each.name: each.annotation for each in parameters}
        return cast(F, command)

    return decorate


def _member(name: str, value: Any) -> object:
    """The value of a member of ``system``."""
    if name == "headful":
        return "headful" if value else "headless"
    if name == "browser_program":
        return value.value
    if name == "label":
        return dict(text.split("=", 1) for text in value)
    return value.split(",") if name == "browser_block" else value
