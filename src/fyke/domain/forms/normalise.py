"""Makes the input of a run from any source.

A form, the text of the JSON view, the body of a request, a saved task, the input of a past run and
a snippet are each a kind of ``RawInput``, and ``normalise`` makes a ``NormalisedInput`` of all of
them. As on the original platform, values stay unchanged: nothing is filled in, trimmed, sorted or
rounded.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Any

from fyke.domain.forms.codec import broken_rules, decode
from fyke.domain.forms.jsonview import JsonViewError, read_json
from fyke.domain.forms.model import ABSENT, ControlKind, FormField, InputError, RunForm
from fyke.domain.forms.pairs import FormContent, Pairs, content_of, content_pairs, group_by_field
from fyke.domain.forms.system import check_system, read_system
from fyke.domain.workers.input_values import problems
from fyke.domain.workers.jsontext import Lines
from fyke.domain.workers.parameters import parts
from fyke.errors import InvalidRequest
from fyke.model.worker import SystemDefaults

MAX_PAIRS = 100_000
MAX_BEYOND_FORM = 1_000  # broken rules of the form; the check stops after so many
_MAX_LINES_TEXT = 500_000  # characters; errors in a longer text have no line


@dataclass(frozen=True, slots=True)
class FormPairs:
    """The pairs that a form has sent, in order."""

    pairs: Iterable[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class JsonText:
    """The text of the JSON view: the Worker's own object, or the whole input with ``parameters``.

    ``system`` are the pairs of the run options, used unless the text has its own.
    """

    text: str
    system: Iterable[tuple[str, str]] = ()


@dataclass(frozen=True, slots=True)
class GivenInput:
    """A decoded ``input``, from the body of a request, a saved task or a past run."""

    value: object


RawInput = FormPairs | JsonText | GivenInput


@dataclass(frozen=True, slots=True)
class NormalisedInput:
    """The input and its errors; without errors a run can be started with it.

    With errors, ``custom`` has the values that could be read, and invalid texts as typed.
    """

    system: dict[str, Any]
    custom: dict[str, Any]
    errors: tuple[InputError, ...] = ()

    @property
    def input(self) -> dict[str, Any]:
        """The ``input`` of a start."""
        return {"parameters": {"system": self.system, "custom": self.custom}}


def normalise(
    form: RunForm, raw: RawInput, defaults: SystemDefaults | None = None
) -> NormalisedInput:
    """Return the input of ``raw``. Never raises: problems are in ``errors``."""
    if isinstance(raw, FormPairs):
        value = _from_form(form, raw)
    elif isinstance(raw, JsonText):
        value = _from_text(form, raw)
    else:
        value = _from_value(raw.value)
    return _checked(form, value, raw, defaults or SystemDefaults())


def beyond_form(form: RunForm, value: NormalisedInput) -> tuple[InputError, ...]:
    """Return the rules that only the form has and that the input breaks, at most
    ``MAX_BEYOND_FORM`` of them. A start accepts it.
    """
    refused = {error.path for error in value.errors}
    broken = (
        error
        for name, field in form.fields.items()
        if f"custom.{name}" not in refused
        for error in broken_rules(field, value.custom.get(name, ABSENT))
    )
    return tuple(islice(broken, MAX_BEYOND_FORM))


def to_pairs(form: RunForm, value: NormalisedInput) -> Pairs:
    """Return the pairs that a form with this input sends: the inverse of ``normalise``."""
    return content_pairs(content_of(form, value.custom, value.system))


def start_value(form: RunForm) -> dict[str, Any]:
    """Return the custom input of an unchanged form: the defaults, and the values of controls that
    send one even when they are empty.
    """
    values: dict[str, Any] = {}
    for name, field in form.fields.items():
        value = field.default if field.default is not ABSENT else _untouched(field)
        if value is not ABSENT:
            values[name] = value
    return values


def _untouched(field: FormField) -> Any:
    return decode(field, {}).value if field.kind is not ControlKind.JSON else ABSENT


def _from_form(form: RunForm, raw: FormPairs) -> NormalisedInput:
    pairs = list(raw.pairs)
    if len(pairs) > MAX_PAIRS:
        message = f"the form has more than {MAX_PAIRS:,} values; give the input as JSON"
        return NormalisedInput({}, {}, (InputError("", message),))
    content = group_by_field(pairs)
    custom: dict[str, Any] = {}
    errors: list[InputError] = []
    for name, field in form.fields.items():
        read = decode(field, content.custom.get(name, {}))
        if read.value is not ABSENT:
            custom[name] = read.value
        errors += read.problems
    rest, rest_errors = _rest(content.custom_rest)
    system, system_errors = _system(content)
    errors += rest_errors + system_errors
    return NormalisedInput(system, {**custom, **rest}, tuple(errors))


def _system(content: FormContent) -> tuple[dict[str, Any], list[InputError]]:
    system, errors = read_system(content.system)
    rest, rest_errors = _rest(content.system_rest)
    return {**system, **rest}, errors + rest_errors


def _rest(text: str) -> tuple[dict[str, Any], list[InputError]]:
    """The members that the form sends without showing them, and the errors."""
    try:
        value = read_json(text) if text.strip() else {}
    except JsonViewError as error:
        return {}, [InputError("", f"the values that are not shown are not valid JSON: {error}")]
    if not isinstance(value, dict):
        return {}, [InputError("", "the values that are not shown must be a JSON object")]
    return value, []


def _from_text(form: RunForm, raw: JsonText) -> NormalisedInput:
    system, system_errors = _system(group_by_field(raw.system))
    if not raw.text.strip():
        message = "the JSON is empty; write {} for an input without values"
        return NormalisedInput(system, {}, (InputError("", message), *system_errors))
    try:
        value = read_json(raw.text)
    except JsonViewError as error:
        rule = f"the JSON is not valid: {error}"
        problem = InputError("", rule, line=error.line, line_column=error.column)
        return NormalisedInput(system, {}, (problem, *system_errors))
    if not isinstance(value, dict):
        message = 'the input must be a JSON object; write it in braces, as in {"field": 1}'
        return NormalisedInput(system, {}, (InputError("", message), *system_errors))
    if not is_whole(form, value):
        return NormalisedInput(system, value, tuple(system_errors))
    given_input = _from_value(value)
    if given_input.system:
        return given_input
    return NormalisedInput(system, given_input.custom, (*given_input.errors, *system_errors))


def is_whole(form: RunForm, value: dict[str, Any]) -> bool:
    """Whether an object is the whole ``input`` of a start rather than the Worker's own object."""
    inner = value.get("parameters")
    return (
        len(value) == 1
        and "parameters" not in form.fields
        and isinstance(inner, dict)
        and "custom" in inner
        and inner.keys() <= {"system", "custom"}
    )


def _from_value(value: object) -> NormalisedInput:
    try:
        system, custom = parts(value)
    except InvalidRequest as error:
        return NormalisedInput({}, {}, (InputError("", error.message),))
    return NormalisedInput(system, custom)


def _checked(
    form: RunForm, value: NormalisedInput, raw: RawInput, defaults: SystemDefaults
) -> NormalisedInput:
    errors = list(value.errors)
    if any(not error.path for error in errors) and not value.custom:
        return value
    known = {error.path for error in errors}
    lines = _Positions(form, raw)
    for problem in problems(form.schema, value.custom):
        path = f"custom.{problem.name}"
        if path not in known:
            errors.append(
                InputError(
                    path,
                    problem.rule,
                    line=lines.line_of(problem.name),
                    subject=problem.subject,
                    missing=problem.missing,
                )
            )
    for error in check_system(value.system, defaults):
        if error.path not in known:
            errors.append(error)
    return NormalisedInput(value.system, value.custom, tuple(errors))


class _Positions:
    """The lines of fields in the text of the JSON view; 0 for other sources."""

    def __init__(self, form: RunForm, raw: RawInput) -> None:
        self._lines: Lines | None = None
        self._head: tuple[str, ...] = ()
        if isinstance(raw, JsonText) and len(raw.text) <= _MAX_LINES_TEXT:
            self._lines = Lines(raw.text, depth=4)
            whole = is_whole(form, read_json(raw.text))
            self._head = ("parameters", "custom") if whole else ()

    def line_of(self, name: str) -> int:
        return self._lines.line_of(*self._head, name) if self._lines else 0
