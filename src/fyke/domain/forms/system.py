"""The run options of a form: the members of ``system``, checked by the rules of a start."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from fyke.domain.forms.choices import token_of
from fyke.domain.forms.codec import decode
from fyke.domain.forms.controls import LABELS, PostedTexts
from fyke.domain.forms.model import ABSENT, ControlKind, FieldOptions, FormField, InputError, Option
from fyke.domain.workers.parameters import DEVICES, read_input
from fyke.errors import InvalidRequest
from fyke.model.browser import BrowserBlock, BrowserMode, BrowserProgram
from fyke.model.worker import SystemDefaults


def _option(name: str, type: str, editor: str, kind: ControlKind, **more: Any) -> FormField:
    """An option, which the console gives a title in the language of the visitor."""
    return FormField(name, name, "", type, editor, kind, **more)


def _number(name: str, unit: str) -> FormField:
    return _option(name, "number", "number", ControlKind.NUMBER, unit=unit)


def _select(name: str, type: str, values: dict[str, Any]) -> FormField:
    options = FieldOptions(Option(label, value, token_of(value)) for label, value in values.items())
    return _option(name, type, "select", ControlKind.SELECT, options=options)


def _checkboxes(name: str, values: Iterable[str]) -> FormField:
    options = FieldOptions(Option(value, value, token_of(value)) for value in values)
    return _option(name, "array", "checkbox", ControlKind.CHECKBOXES, options=options)


# those of nodes, and then those of browsers, are last
FIELDS: dict[str, FormField] = {
    item.name: item
    for item in (
        _select(
            "memory",
            "integer",
            {f"{size:,} MB, {cpus:g} CPU": size for size, cpus in DEVICES.items()},
        ),
        _number("execute_limit_time_seconds", "seconds"),
        _number("max_total_charge", "USD"),
        _number("max_total_traffic", "MB"),
        _number("max_retries", ""),
        _option("proxy_region", "string", "input", ControlKind.LINE),
        _option("pool", "string", "input", ControlKind.LINE),
        _option("labels", LABELS, "input", ControlKind.LINE),
        _number("browser_memory", "MB"),
        _select("browser", "string", {one.value: one.value for one in BrowserMode if one}),
        _select("browser_program", "string", {one.value: one.value for one in BrowserProgram}),
        _checkboxes("browser_block", [one.value for one in BrowserBlock]),
    )
}
NODE_FIELDS = frozenset({"pool", "labels"})
BROWSER_FIELDS = frozenset(name for name in FIELDS if name.startswith("browser"))


def read_system(sent: dict[str, PostedTexts]) -> tuple[dict[str, Any], list[InputError]]:
    """Return the options that a form has sent, and the errors of those that could not be read."""
    values: dict[str, Any] = {}
    problems: list[InputError] = []
    for name, field in FIELDS.items():
        read = decode(field, sent.get(name, {}))
        if read.value is not ABSENT and read.value != []:
            values[name] = read.value
        problems += [
            replace(error, path=f"system.{name}", subject=f'option "{name}"')
            for error in read.problems
        ]
    return values, problems


def check_system(system: dict[str, Any], defaults: SystemDefaults) -> list[InputError]:
    """Return one error for each option that a start would refuse."""
    problems = []
    for name, value in system.items():
        try:
            read_input({"parameters": {"system": {name: value}, "custom": {}}}, defaults)
        except InvalidRequest as error:
            [problem] = error.problems
            problems.append(InputError(f"system.{name}", problem.rule, subject=problem.field))
    return problems
