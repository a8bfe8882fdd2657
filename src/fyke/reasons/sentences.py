"""Sentences for a code and its parameters, in English or in the language of a catalogue."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from fyke.kit.decimals import binary_size, duration, millionths
from fyke.reasons.codes import DetailCode, ReasonCode
from fyke.reasons.hint_texts import HINTS
from fyke.reasons.machines import machine_name, machine_names
from fyke.reasons.model import Detail, Hint, Params, Reason, Value
from fyke.reasons.texts import BROWSER_CHECK, BROWSER_PREFIX, CHECKS, DETAILS, SENTENCES

Translate = Callable[[str], str]

_PARAMETER = re.compile(r"%\((\w+)\)s")
_MAX_LISTED = 3  # values of a list in a sentence


def english(message: str) -> str:
    """The unchanged text: the catalogue is in English."""
    return message


def sentence(reason: Reason, translate: Translate = english) -> str:
    """The reason in one sentence without a full stop."""
    return _fill(SENTENCES[reason.code], reason.params, translate)


def rule_of(detail: Detail, translate: Translate = english) -> str:
    """The violated rule or the finding, without a remedy."""
    return _fill(DETAILS[detail.code].rule, detail.params, translate)


def remedy_of(detail: Detail, translate: Translate = english) -> str:
    """The remedy; ``""`` where the rule already contains it."""
    forms = DETAILS[detail.code].remedy
    return _fill(forms, detail.params, translate) if forms else ""


def detail_sentence(detail: Detail, translate: Translate = english) -> str:
    """The rule, and the remedy where there is one."""
    parts = {"rule": rule_of(detail, translate), "remedy": remedy_of(detail, translate)}
    return translate(RULE_AND_REMEDY) % parts if parts["remedy"] else parts["rule"]


def reason_with_detail(code: ReasonCode, detail: Detail, **params: Value | None) -> Reason:
    """A reason with ``detail``, stored as its code and its English sentence."""
    text = detail_sentence(detail)
    return Reason.of(code, **params, **detail.params, detail_code=detail.code.value, detail=text)


def check_name(name: str, translate: Translate = english) -> str:
    """The displayed name of an isolation check, of a Worker's sandbox or of a browser's."""
    if name.startswith(BROWSER_PREFIX):
        check = check_name(name.removeprefix(BROWSER_PREFIX), translate)
        return translate(BROWSER_CHECK) % {"check": check}
    return translate(name) if name in CHECKS else name


def cause(hint: Hint, translate: Translate = english) -> str:
    """The cause in one sentence without a full stop."""
    return _fill(HINTS[hint.code].cause, hint.params, translate)


def next_step(hint: Hint, translate: Translate = english) -> str:
    """The next step in one sentence without a full stop."""
    return _fill(HINTS[hint.code].next_step, hint.params, translate)


def parameter_names(text: str) -> frozenset[str]:
    """The names of the parameters in a text."""
    return frozenset(_PARAMETER.findall(text))


def _fill(forms: Sequence[str], params: Params, translate: Translate) -> str:
    """The first form whose parameters all exist, filled in; otherwise the last form, because other
    releases may have stored a reason with fewer parameters.
    """
    known = params.keys()
    form = next((form for form in forms if parameter_names(form) <= known), forms[-1])
    values = {name: _format(name, params[name], translate) for name in params}
    if params.get("detail_code") in _DETAIL_CODES and "%(detail)s" in form:
        detail = Detail(DetailCode(str(params["detail_code"])), _without(params, "detail"))
        values["detail"] = detail_sentence(detail, translate)
    if params.get("reason_code") in _REASON_CODES and "%(reason)s" in form:
        within = Reason(ReasonCode(str(params["reason_code"])), _without(params, "reason"))
        values["reason"] = sentence(within, translate)
    return _PARAMETER.sub(lambda match: values.get(match[1], "?"), translate(form))


def _without(params: Params, part: str) -> Params:
    return {name: params[name] for name in params if name not in (part, f"{part}_code")}


def _format(name: str, value: Value, translate: Translate) -> str:
    if name == "check":
        return check_name(str(value), translate)
    if name == "node":
        return machine_name(str(value), translate)
    if isinstance(value, list):
        value = machine_names(value, translate) if name == "nodes" else value
        omitted = len(value) - _MAX_LISTED
        text = ", ".join(value[:_MAX_LISTED])
        return text if omitted <= 0 else translate(AND_MORE) % {"names": text, "more": omitted}
    if isinstance(value, int) and name.endswith(("_micros", "traffic_bytes")):
        return millionths(value)
    if isinstance(value, int) and name.endswith("_bytes"):
        return binary_size(value)
    if isinstance(value, int) and name.endswith("_ms"):
        return duration(value)
    if isinstance(value, int | float) and name.endswith("_percent"):
        return f"{value:.3g}%"
    if isinstance(value, int | float) and name.endswith(("rows", "files")):
        return f"{value:,.10g}"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _(message: str) -> str:
    return message


_DETAIL_CODES = frozenset(DetailCode)
_REASON_CODES = frozenset(ReasonCode)
RULE_AND_REMEDY = _("%(rule)s; %(remedy)s")
AND_MORE = _("%(names)s and %(more)s more")
