"""Why several runs wait: one sentence for what most of them have in common, and for each run only
what is particular to it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

from fyke.console import formats
from fyke.console.reasons import text_of
from fyke.console.texts import gettext as _
from fyke.console.texts import ngettext
from fyke.domain.runs.waiting import WaitReason
from fyke.reasons import Reason, ReasonCode

_ROOM = (ReasonCode.QUEUE, ReasonCode.ROOM)
_NEEDS = "cpus", "memory_mb"  # the parameters
_FREE = "free_cpus", "free_memory_mb"
_MOVING = (*_ROOM, ReasonCode.PLAN)  # ends when other runs end


@dataclass(frozen=True, slots=True)
class Waits:
    """``common``: the sentence for all or most of the runs, "" if they have too little in common.
    ``own``: by the id of a run what is particular to it, empty if no run has anything.
    ``moves``: what most wait for comes when other runs end.
    """

    common: str
    own: Mapping[str, str]
    moves: bool


def waits_of(reasons: Sequence[WaitReason]) -> Waits:
    """``reasons`` in the order of the starts."""
    keys = [_key(waiting.reason) for waiting in reasons]
    [(key, number)] = Counter(keys).most_common(1) or [(None, 0)]
    if key is None or number * 2 <= len(reasons):
        return Waits("", {waiting.run_id: text_of(waiting.reason) for waiting in reasons}, False)
    shared = [w.reason for w, k in zip(reasons, keys, strict=True) if k == key and w.reason]
    same_needs = len({_room(reason, *_NEEDS) for reason in shared}) == 1
    common = _common(shared[0], same_needs=same_needs, many=number > 1)
    if number < len(reasons):
        common = _("%(reason)s. Most runs wait for this.") % {"reason": common.rstrip(".。")}
    own = {}
    for waiting, found in zip(reasons, keys, strict=True):
        if found != key or waiting.reason is None:
            own[waiting.run_id] = text_of(waiting.reason)
        elif text := _particular(waiting.reason, same_needs=same_needs):
            own[waiting.run_id] = text
    if own:  # then the others do not stay empty; behind older subtasks is what waits for room
        first = "cpus" in shared[0].params
        rest = (waiting.run_id for waiting in reasons if waiting.run_id not in own)
        own |= dict.fromkeys(rest, _("next in the queue") if first else _("as most runs"))
    return Waits(common, own, shared[0].code in _MOVING)


def _key(reason: Reason | None) -> Hashable:
    """Equal for reasons that one sentence can say."""
    if reason is None:
        return None
    if _is_for_room(reason):
        return "room", *_room(reason, *_FREE)
    return text_of(_shared(reason))


def _shared(reason: Reason) -> Reason:
    """The reason without how many wait before it."""
    if reason.code is not ReasonCode.QUEUE:
        return reason
    return Reason(
        ReasonCode.ROOM, {name: v for name, v in reason.params.items() if name != "ahead"}
    )


def _is_for_room(reason: Reason) -> bool:
    return reason.code in _ROOM and "free_cpus" in reason.params


def _room(reason: Reason, cpus: str, memory_mb: str) -> tuple[str, str]:
    return f"{_number(reason, cpus):g}", formats.room(round(_number(reason, memory_mb)) * 2**20)


def _number(reason: Reason, name: str) -> float:
    value = reason.params.get(name)
    return value if isinstance(value, int | float) else 0


def _common(reason: Reason, *, same_needs: bool, many: bool) -> str:
    if not _is_for_room(reason):
        shared = _shared(reason)
        text = (_of_many(shared) if many else "") or text_of(shared)
        return text[:1].upper() + text[1:]
    cpus, memory = _room(reason, *_FREE)
    text = _("The machine with the most room has %(cpus)s cores and %(memory)s free.") % {
        "cpus": cpus,
        "memory": memory,
    }
    if same_needs:
        cpus, memory = _room(reason, *_NEEDS)
        needs = _("Each needs %(cpus)s cores and %(memory)s.") % {"cpus": cpus, "memory": memory}
        text = f"{text} {needs}"
    return text


def _of_many(reason: Reason) -> str:
    """The sentence about several runs, "" where that about one names none."""
    params = reason.params
    if reason.code is not ReasonCode.ROOM or not {"browsers", "cpus"} & params.keys():
        return ""
    if "browsers" in params:
        text = _(
            "They need a browser, and all %(browsers)s that the machines have room for are taken"
        )
        return text % {"browsers": params["browsers"]}
    cpus, memory = _room(reason, *_NEEDS)
    needs = {"cpus": cpus, "memory": memory}
    if "largest_cpus" not in params:
        text = _(
            "Each needs %(cpus)s cores and %(memory)s, and a machine has room: "
            "they begin in a moment"
        )
        return text % needs
    cpus, memory = _room(reason, "largest_cpus", "largest_memory_mb")
    needs |= {"largest_cpus": cpus, "largest_memory": memory}
    if "browser_runners" in params:
        text = _(
            "Each needs %(cpus)s cores and %(memory)s, more than any of the machines with its "
            "browser has in all (%(largest_cpus)s cores and %(largest_memory)s); "
            "it begins when one of them does nothing else"
        )
        return text % needs
    text = _(
        "Each needs %(cpus)s cores and %(memory)s, more than any machine has in all "
        "(%(largest_cpus)s cores and %(largest_memory)s); it begins when a machine does "
        "nothing else"
    )
    return text % needs


def _particular(reason: Reason, *, same_needs: bool) -> str:
    texts = []
    if ahead := round(_number(reason, "ahead")):
        subtasks = ngettext("after one older subtask", "after %(n)s older subtasks", ahead)
        texts.append(subtasks % {"n": formats.count(ahead)})
    if _is_for_room(reason) and not same_needs:
        cpus, memory = _room(reason, *_NEEDS)
        texts.append(_needs(cpus, memory))
    return ", ".join(texts)


def estimate_text(waiting: int, pace_ms: int) -> str:
    """When the last of the waiting runs begins, "" without a pace."""
    if not waiting or not pace_ms:
        return ""
    pace, left = _about(pace_ms), _about(waiting * pace_ms)
    return _(
        "At the present pace, one run every %(pace)s, the last of them begins in about %(time)s."
    ) % {"pace": pace, "time": left}


def _round(ms: int) -> int:
    """To one unit: an estimate is not exact."""
    for unit in (86_400_000, 3_600_000, 60_000, 1000):
        if ms >= 2 * unit:
            return round(ms / unit) * unit
    return ms


def _about(ms: int) -> str:
    """A rounded duration; whole seconds have no decimals."""
    rounded = _round(ms)
    if 1000 <= rounded < 60_000 and rounded % 1000 == 0:
        return _("%(n)s s") % {"n": rounded // 1000}
    return formats.duration(rounded)


def _needs(cpus: str, memory: str) -> str:
    if cpus == "1":
        return _("needs one core and %(memory)s") % {"memory": memory}
    return _("needs %(cpus)s cores and %(memory)s") % {"cpus": cpus, "memory": memory}


def wait_text(reason: Reason | None) -> str:
    """Why one run waits, in the words of the queue; "" for None."""
    if reason is None:
        return ""
    if not _is_for_room(reason):
        text = text_of(reason)
        return _("%(sentence)s.") % {"sentence": text[:1].upper() + text[1:]}
    own = _particular(reason, same_needs=False)
    cpus, memory = _room(reason, *_FREE)
    room = _("The machine with the most room has %(cpus)s cores and %(memory)s free.") % {
        "cpus": cpus,
        "memory": memory,
    }
    return _("%(first)s. %(second)s") % {"first": own[:1].upper() + own[1:], "second": room}
