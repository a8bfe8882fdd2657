"""From a code and its parameters to a sentence, in English or through a catalogue."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from fyke.kit.decimals import binary_size, duration, millionths
from fyke.reasons.codes import DetailCode, ReasonCode
from fyke.reasons.model import Detail, Hint, Params, Reason, Value
from fyke.reasons.texts import CHECKS, DETAILS, HINTS, SENTENCES

Translate = Callable[[str], str]

_PLACE = re.compile(r"%\((\w+)\)s")
_SHOWN_NAMES = 3  # of a list


def english(message: str) -> str:
    """The text as the catalogue has it."""
    return message


def sentence(reason: Reason, translate: Translate = english) -> str:
    """What happened or stands in the way, in one sentence without a full stop."""
    return _filled(SENTENCES[reason.code], reason.params, translate)


def rule_of(detail: Detail, translate: Translate = english) -> str:
    """The rule that was broken, or what was found, without a remedy."""
    return _filled(DETAILS[detail.code].rule, detail.params, translate)


def remedy_of(detail: Detail, translate: Translate = english) -> str:
    """What to do about it, ``""`` where the rule says it."""
    forms = DETAILS[detail.code].remedy
    return _filled(forms, detail.params, translate) if forms else ""


def detail_sentence(detail: Detail, translate: Translate = english) -> str:
    """Rule and remedy."""
    parts = {"rule": rule_of(detail, translate), "remedy": remedy_of(detail, translate)}
    return translate(RULE_AND_REMEDY) % parts if parts["remedy"] else parts["rule"]


def reason_with_detail(code: ReasonCode, detail: Detail, **params: Value | None) -> Reason:
    """A reason that says ``detail``, which is stored as a code and as its English sentence."""
    text = detail_sentence(detail)
    return Reason.of(code, **params, **detail.params, detail_code=detail.code.value, detail=text)


def check_name(name: str, translate: Translate = english) -> str:
    """The name of an isolation check, as it is shown."""
    return translate(name) if name in CHECKS else name


def cause(hint: Hint, translate: Translate = english) -> str:
    """The cause of the end, in one sentence without a full stop."""
    return _filled(HINTS[hint.code].cause, hint.params, translate)


def next_step(hint: Hint, translate: Translate = english) -> str:
    """What to do about it, in one sentence without a full stop."""
    return _filled(HINTS[hint.code].next_step, hint.params, translate)


def places(text: str) -> frozenset[str]:
    """Names of the parameters that a text speaks of."""
    return frozenset(_PLACE.findall(text))


def _filled(forms: Sequence[str], params: Params, translate: Translate) -> str:
    """The first form whose parameters are all there; the last one is taken at any rate, for a
    reason that another release stored with fewer parameters.
    """
    known = params.keys()
    form = next((form for form in forms if places(form) <= known), forms[-1])
    values = {name: _shown(name, params[name], translate) for name in params}
    if params.get("detail_code") in _DETAIL_CODES and "%(detail)s" in form:
        detail = Detail(DetailCode(str(params["detail_code"])), _without_detail(params))
        values["detail"] = detail_sentence(detail, translate)
    return _PLACE.sub(lambda found: values.get(found[1], "?"), translate(form))


def _without_detail(params: Params) -> Params:
    return {name: params[name] for name in params if name not in ("detail", "detail_code")}


def _shown(name: str, value: Value, translate: Translate) -> str:
    if name == "check":
        return check_name(str(value), translate)
    if isinstance(value, list):
        more = len(value) - _SHOWN_NAMES
        text = ", ".join(value[:_SHOWN_NAMES])
        return text if more <= 0 else translate(AND_MORE) % {"names": text, "more": more}
    if isinstance(value, int) and name.endswith(("_micros", "traffic_bytes")):
        return millionths(value)
    if isinstance(value, int) and name.endswith("_bytes"):
        return binary_size(value)
    if isinstance(value, int) and name.endswith("_ms"):
        return duration(value)
    if isinstance(value, int | float) and name.endswith("_percent"):
        return f"{value:.3g} %"
    if isinstance(value, int | float) and name.endswith(("rows", "files")):
        return f"{value:,.10g}"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _(message: str) -> str:
    return message


_DETAIL_CODES = frozenset(DetailCode)
RULE_AND_REMEDY = _("%(rule)s; %(remedy)s")
AND_MORE = _("%(names)s and %(more)s more")
