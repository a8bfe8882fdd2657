"""From a code and its parameters to a sentence, in English or through a catalogue."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from fyke.kit.decimals import binary_size, millionths
from fyke.reasons.model import Hint, Params, Reason, Value
from fyke.reasons.texts import HINTS, SENTENCES

Translate = Callable[[str], str]

_PLACE = re.compile(r"%\((\w+)\)s")
_SHOWN_NAMES = 3  # of a list


def english(message: str) -> str:
    """The text as the catalogue has it."""
    return message


def sentence(reason: Reason, translate: Translate = english) -> str:
    """What happened or stands in the way, in one sentence without a full stop."""
    return _filled(SENTENCES[reason.code], reason.params, translate)


def cause(hint: Hint, translate: Translate = english) -> str:
    """What lies behind the end, in one sentence without a full stop."""
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
    return _PLACE.sub(lambda found: values.get(found[1], "?"), translate(form))


def _shown(name: str, value: Value, translate: Translate) -> str:
    if isinstance(value, list):
        more = len(value) - _SHOWN_NAMES
        text = ", ".join(value[:_SHOWN_NAMES])
        return text if more <= 0 else translate(AND_MORE) % {"names": text, "more": more}
    if isinstance(value, int) and name.endswith(("_micros", "traffic_bytes")):
        return millionths(value)
    if isinstance(value, int) and name.endswith("_bytes"):
        return binary_size(value)
    if isinstance(value, int) and name.endswith("rows"):
        return f"{value:,}"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _(message: str) -> str:
    return message


AND_MORE = _("%(names)s and %(more)s more")
