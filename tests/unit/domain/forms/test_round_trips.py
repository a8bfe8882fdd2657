"""Round trips of an input through its representations change nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fyke.domain.forms.describe import describe
from fyke.domain.forms.model import pretty, same
from fyke.domain.forms.normalise import (
    FormPairs,
    GivenInput,
    JsonText,
    NormalisedInput,
    normalise,
    start_value,
    to_pairs,
)
from fyke.domain.forms.pairs import group_by_field
from fyke.domain.workers.input_schema import parse
from fyke.domain.workers.input_values import validate_input
from fyke.domain.workers.parameters import parts
from fyke.errors import InvalidRequest
from support.examples import examples
from support.form_schemas import TEXTS, trials

_SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
some_examples = examples(40, suppress_health_check=_SLOW)
many_examples = settings(max_examples=3000, deadline=None, suppress_health_check=_SLOW)

SYSTEMS = st.fixed_dictionaries(
    {},
    optional={
        "memory": st.sampled_from([512, 1024, "512", 700, None, 0.5, "x"]),
        "execute_limit_time_seconds": st.sampled_from([0, 60, 60.5, "60", None]),
        "max_total_charge": st.sampled_from([0, 0.1, "0.10", -1]),
        "proxy_region": st.sampled_from(["US", "", "us", None]),
        "cpus": st.sampled_from([0.5, "1"]),
        "max_retries": st.sampled_from([0, 3, "10", 11, "often"]),
        "browser_block": st.sampled_from([["images"], ["fonts", "images"], ["videos"], "images"]),
        "egress_allow": st.just(["10.0.0.1:80"]),
        "pool": st.sampled_from(["eu", "", "E U", None, 1]),
        "labels": st.sampled_from([{"gpu": "yes"}, {}, "gpu=yes", "gpu", None]),
    },
)


def _browser(pairs: list[tuple[str, str]]) -> FormPairs:
    """The pairs as a browser sends them: with CRLF and without lone surrogates."""
    for _, text in pairs:
        text.encode()
        assert "\0" not in text
        assert "\r" not in text
    return FormPairs([(name, text.replace("\n", "\r\n")) for name, text in pairs])


def _valid(schema: str, custom: dict[str, Any]) -> bool:
    try:
        validate_input(parse(schema), custom)
    except InvalidRequest:
        return False
    return True


def _check_value_form_value(schema: str, custom: dict[str, Any], system: dict[str, Any]) -> None:
    form = describe(schema)
    back = normalise(form, _browser(to_pairs(form, NormalisedInput(system, custom))))
    assert same(back.custom, custom)
    assert same(back.system, system)
    fields_with_errors = {
        error.path for error in back.errors if not error.path.startswith("system.")
    }
    if _valid(schema, custom):
        assert not fields_with_errors


def _check_form_value_form(schema: str, custom: dict[str, Any]) -> None:
    form = describe(schema)
    typed = to_pairs(form, NormalisedInput({}, custom))
    once = normalise(form, FormPairs(typed))
    again = to_pairs(form, once)
    assert group_by_field(again).custom == group_by_field(typed).custom
    assert same(normalise(form, FormPairs(again)).custom, once.custom)


def _check_json_form_json(schema: str, custom: dict[str, Any]) -> None:
    form = describe(schema)
    read = normalise(form, JsonText(pretty(custom)))
    assert same(read.custom, custom) or set(custom) == {"parameters"}
    back = normalise(form, _browser(to_pairs(form, read)))
    assert same(json.loads(pretty(back.custom)), read.custom)


def _check_given_input(schema: str, custom: dict[str, Any], system: dict[str, Any]) -> None:
    whole = {"parameters": {"system": system, "custom": custom}}
    read = normalise(describe(schema), GivenInput(whole))
    assert (read.system, read.custom) == parts(whole)
    assert json.dumps(read.custom) == json.dumps(custom)  # including the order
    assert _valid(schema, custom) == (not [e for e in read.errors if e.path[:6] == "custom"])


@some_examples
@given(trials(), SYSTEMS)
def test_a_value_survives_the_form(trial: tuple[str, Any], system: dict[str, Any]) -> None:
    _check_value_form_value(*trial, system)


@pytest.mark.slow
@some_examples
@given(trials())
def test_a_form_survives_a_round_trip_through_its_value(trial: tuple[str, Any]) -> None:
    _check_form_value_form(*trial)


@some_examples
@given(trials())
def test_json_survives_the_form(trial: tuple[str, Any]) -> None:
    _check_json_form_json(*trial)


@some_examples
@given(trials(), SYSTEMS)
def test_given_inputs_are_unchanged(trial: tuple[str, Any], system: dict[str, Any]) -> None:
    _check_given_input(*trial, system)


@pytest.mark.long
@pytest.mark.timeout(1800)
@many_examples
@given(trials(), SYSTEMS)
def test_thousands_of_inputs_survive_all_conversions(
    trial: tuple[str, Any], system: dict[str, Any]
) -> None:
    _check_value_form_value(*trial, system)
    _check_form_value_form(*trial)
    _check_json_form_json(*trial)
    _check_given_input(*trial, system)


@some_examples
@given(trials())
def test_an_untouched_form_sends_its_start_value(trial: tuple[str, Any]) -> None:
    form = describe(trial[0])
    value = start_value(form)
    back = normalise(form, _browser(to_pairs(form, NormalisedInput({}, value))))
    assert same(back.custom, value)


@some_examples
@given(trials(), st.lists(st.tuples(TEXTS, TEXTS), max_size=5), st.data())
def test_any_text_in_any_control_is_accepted_or_an_error(
    trial: tuple[str, Any], more: list[tuple[str, str]], data: st.DataObject
) -> None:
    """Any text results in a JSON value, and in errors that name fields of the form."""
    form = describe(trial[0])
    pairs = [
        (name, data.draw(TEXTS) if data.draw(st.booleans()) else text)
        for name, text in to_pairs(form, NormalisedInput({}, trial[1]))
    ]
    read = normalise(form, FormPairs([*pairs, *more]))
    json.dumps(read.input, allow_nan=False)
    for error in read.errors:
        part, _, name = error.path.partition(".")
        assert part in ("", "custom", "system")
        assert part != "custom" or name in form.fields
        assert error.message
