"""The run options of a form: the members of ``system``, checked by the rules of a start."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from fyke.domain.forms.choices import token_of
from fyke.domain.forms.codec import decode
from fyke.domain.forms.controls import PostedTexts
from fyke.domain.forms.model import ABSENT, ControlKind, FieldOptions, FormField, InputError, Option
from fyke.domain.workers.parameters import DEVICES, read_input
from fyke.errors import InvalidRequest
from fyke.model.browser import BrowserBlock, BrowserMode, BrowserProgram
from fyke.model.worker import SystemDefaults


def _number(name: str, title: str, description: str, unit: str) -> FormField:
    return FormField(name, title, description, "number", "number", ControlKind.NUMBER, unit=unit)


def _memory() -> FormField:
    sizes = FieldOptions(
        Option(f"{size:,} MB, {cpus:g} CPU", size, token_of(size)) for size, cpus in DEVICES.items()
    )
    text = "Memory of each subtask; it determines the CPU share."
    return FormField(
        "memory", "Memory", text, "integer", "select", ControlKind.SELECT, options=sizes
    )


def _choice(name: str, title: str, description: str, values: dict[str, str]) -> FormField:
    options = FieldOptions(Option(label, value, token_of(value)) for label, value in values.items())
    return FormField(
        name, title, description, "string", "select", ControlKind.SELECT, options=options
    )


FIELDS: dict[str, FormField] = {
    item.name: item
    for item in (
        _memory(),
        _number(
            "execute_limit_time_seconds",
            "Timeout",
            "A subtask that takes longer is stopped and fails.",
            "seconds",
        ),
        _number("max_total_charge", "Maximum cost", "The run ends at this cost.", "USD"),
        _number("max_total_traffic", "Maximum traffic", "The run ends at this traffic.", "MB"),
        _number(
            "browser_memory",
            "Browser memory",
            "Memory of the browser of each subtask; empty: the default of this installation.",
            "MB",
        ),
        _choice(
            "browser",
            "Browser windows",
            "Headful: the browser has windows, on a virtual display.",
            {"Headless": BrowserMode.HEADLESS.value, "Headful": BrowserMode.HEADFUL.value},
        ),
        _choice(
            "browser_program",
            "Browser program",
            "The build of Chromium; empty: the default of this installation.",
            {
                "Headless shell": BrowserProgram.HEADLESS_SHELL.value,
                "Chromium": BrowserProgram.CHROMIUM.value,
            },
        ),
        FormField(
            "proxy_region",
            "Region",
            "Two capital letters such as US: the country of the proxy.",
            "string",
            "input",
            ControlKind.LINE,
        ),
        FormField(
            "browser_block",
            "Not loaded by browsers",
            "The browsers of the run do not request these.",
            "array",
            "checkbox",
            ControlKind.CHECKBOXES,
            options=FieldOptions(
                Option(one.value.capitalize(), one.value, token_of(one.value))
                for one in BrowserBlock
            ),
        ),
    )
}


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
