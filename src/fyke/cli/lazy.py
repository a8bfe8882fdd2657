"""Commands that are imported and built when they are used.

``fyke --help`` imports no command. A command imports no module of other groups, and builds no other
command.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from importlib import import_module
from typing import Any, ClassVar, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup
from typer.models import CommandInfo

from fyke.cli.context import group
from fyke.cli.values import convert_without_pydantic


class Entry(NamedTuple):
    """A command or group, and where it is defined.

    ``help`` is its line in the help of ``fyke``, and for a group also its own help. ``target`` is
    ``module:attribute``, a function or a Typer group. ``more`` are further modules that add
    commands to the group. ``default`` is the command of a group that is run without a name.
    """

    help: str
    target: str
    more: tuple[str, ...] = ()
    hidden: bool = False
    default: str = ""


class LazyGroup(TyperGroup):
    """A group that imports the commands of ``entries`` when they are used."""

    entries: ClassVar[Mapping[str, Entry]] = {}

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = _Commands(  # type: ignore[assignment]  # it never changes
            {name: partial(_load, name, entry) for name, entry in self.entries.items()}
        )

    def get_params(self, ctx: Any) -> list[Any]:
        return [convert_without_pydantic(param) for param in super().get_params(ctx)]

    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]
        return [*self.entries]

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        listed = [
            TyperCommand(name, help=entry.help, hidden=entry.hidden)
            for name, entry in self.entries.items()
        ]
        TyperGroup(commands=listed).format_commands(ctx, formatter)


class _Commands(Mapping[str, Any]):
    """Commands by name, each built by a function when it is first read."""

    def __init__(self, builders: Mapping[str, Callable[[], Any]]) -> None:
        self._builders = builders

    def __getitem__(self, name: str) -> Any:
        return self._builders[name]()

    def __iter__(self) -> Iterator[str]:
        return iter(self._builders)

    def __len__(self) -> int:
        return len(self._builders)


@cache
def _load(name: str, entry: Entry) -> Any:
    module, _, attribute = entry.target.partition(":")
    modules = (module, *entry.more)
    imported = [import_module(module) for module in modules]
    target = getattr(imported[0], attribute)
    if not isinstance(target, typer.Typer):
        return _command(CommandInfo(name, callback=target, hidden=entry.hidden))
    # The order must not depend on which module was imported first.
    ranks = {name: rank for rank, name in enumerate(modules)}
    commands = sorted(
        target.registered_commands,
        key=lambda command: ranks.get(getattr(command.callback, "__module__", ""), len(ranks)),
    )
    loaded: Any = typer.main.get_group(group())
    loaded.name, loaded.help = name, entry.help
    loaded.commands = _Commands(
        {command.name or "": cache(partial(_command, command)) for command in commands}
    )
    if entry.default:
        _run_by_default(loaded, entry.default)
    return _without_pydantic(loaded)


def _run_by_default(loaded: Any, default: str) -> None:
    """Let the group ``loaded`` run ``default`` without arguments, and with options alone."""
    parse = loaded.parse_args

    def parse_args(ctx: Any, args: list[str]) -> Any:
        named = bool(args) and (not args[0].startswith("-") or args[0] in ctx.help_option_names)
        return parse(ctx, args if named else [default, *args])

    loaded.parse_args = parse_args


def _command(info: CommandInfo) -> Any:
    single = typer.Typer(
        add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False
    )
    single.registered_commands = [info]
    return _without_pydantic(typer.main.get_command(single))


def _without_pydantic(command: Any) -> Any:
    by_typer = command.get_params
    command.get_params = lambda ctx: [convert_without_pydantic(param) for param in by_typer(ctx)]
    return command
