"""Texts about runs without the secrets in the inputs of these runs, which the server finds.

An answer goes to the provider of a model, and the agent need not have started the run. Rows are
not searched: they are what the run was started for. Links to logs as they are need no key, so
agents do not get them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from fyke.mcp import calls
from fyke.mcp.calls import segment
from fyke.mcp.session import McpSession
from fyke.mcp.tool import ToolRefused
from fyke_client import ApiError

PART_CHARS, PART_TEXTS = 100_000, 1000  # of one request, whose body is at most 1 MiB
MAX_RUNS = 20  # of one request
HIDDEN = "***"
WHOLE = "*** (hidden as a whole: the secrets in the input of this run could not be read)"
_MARK = re.compile(r"\*{3}(?:[^*\n]{1,200}\*{3})?")  # instead of a secret
_OLDER = (
    "this server is older than this fyke mcp and cannot hide secrets in texts about runs; update "
    "the server, or use fyke mcp of its version"
)

_Members = dict[str, msgspec.Raw]
_members = msgspec.json.Decoder(_Members).decode
_list_of_members = msgspec.json.Decoder(list[_Members]).decode
_text = msgspec.json.Decoder(str).decode


async def hide(session: McpSession, run: str, texts: Sequence[str]) -> list[str]:
    """``texts`` about ``run`` without secrets. Raises ``ToolRefused``."""
    return await hide_in_all(session, [(run, text) for text in texts])


async def hide_in_all(session: McpSession, texts: Sequence[tuple[str, str]]) -> list[str]:
    """Texts without secrets; each comes after the id of its run. The first text of a run that was
    hidden as a whole says why. Raises ``ToolRefused``.
    """
    hidden: dict[int, str] = {}
    for places in _parts(texts):
        body = {
            "runs": [texts[place][0] for place in places],
            "texts": [texts[place][1] for place in places],
        }
        hidden |= zip(places, await _hidden_texts(session, body), strict=True)
    explained: set[str] = set()
    for place, (run, text) in enumerate(texts):
        if hidden.get(place) == HIDDEN != text and run not in explained:
            explained.add(run)
            hidden[place] = WHOLE
    return [hidden.get(place, text) for place, (_, text) in enumerate(texts)]


async def _hidden_texts(session: McpSession, body: Mapping[str, Any]) -> list[str]:
    try:
        async with session.hiding:
            data = await calls.call(session, "POST", "/api/fyke/hidden-texts", body=body)
    except ToolRefused as refused:
        error = refused.__cause__
        if isinstance(error, ApiError) and error.status == 404 and not error.key:
            raise ToolRefused(_OLDER) from None  # an unknown path; a run has a key of its error
        raise
    texts: list[str] = msgspec.json.decode(data)["texts"]
    return texts


def outside_marks(text: str) -> str:
    """A text without secrets, with the end of a line instead of each."""
    return "" if text == WHOLE else _MARK.sub("\n", text)


def _parts(texts: Sequence[tuple[str, str]]) -> Iterator[list[int]]:
    """The places of texts that are not empty, in parts for one request each."""
    part: list[int] = []
    runs: set[str] = set()
    chars = 0
    for place, (run, text) in enumerate(texts):
        if not text:
            continue
        too_many = len(part) == PART_TEXTS or len(runs | {run}) > MAX_RUNS
        if part and (too_many or chars + len(text) > PART_CHARS):
            yield part
            part, runs, chars = [], set(), 0
        part.append(place)
        runs.add(run)
        chars += len(text)
    if part:
        yield part


# --- answers of the API --------------------------------------------------------------------


async def summary(session: McpSession, run: str) -> dict[str, Any]:
    """The summary of a run: its reason, cause and last error lines without secrets."""
    found: dict[str, Any] = await calls.read(session, f"/api/fyke/runs/{segment(run)}")
    places: list[tuple[Any, Any]] = [(found, "reason"), *_places(found["reason_params"])]
    if hint := found["hint"]:
        places += [(hint, "cause"), (hint, "next_step"), *_places(hint["params"])]
    places += [(line, "content") for line in found["errors"]]
    texts = await hide(session, found["slug"], [at[name] for at, name in places])
    for (at, name), text in zip(places, texts, strict=True):
        at[name] = text
    return found


def _places(values: dict[str, Any] | list[Any]) -> Iterator[tuple[Any, Any]]:
    """The texts in ``values``, at any depth: what each is in, and its name or number there."""
    for at, value in values.items() if isinstance(values, dict) else enumerate(values):
        if isinstance(value, str):
            yield values, at
        elif isinstance(value, dict | list):
            yield from _places(value)


async def run_of_v2(session: McpSession, data: msgspec.Raw) -> msgspec.Raw:
    """The answer of API v2 for a run; all but its error message as it was sent."""
    return msgspec.Raw(msgspec.json.encode((await _runs(session, [_members(data)]))[0]))


async def runs_of_v2(session: McpSession, data: msgspec.Raw) -> msgspec.Raw:
    """The same for a page of runs."""
    page = _members(data)
    runs = await _runs(session, _list_of_members(page["list"]))
    return msgspec.Raw(msgspec.json.encode(page | {"list": runs}))


async def _runs(session: McpSession, runs: list[_Members]) -> list[_Members]:
    texts = [(_text(run["slug"]), _text(run["err_msg"])) for run in runs]
    hidden = await hide_in_all(session, texts)
    return [run | {"err_msg": _raw(text)} for run, text in zip(runs, hidden, strict=True)]


async def started_of_v2(session: McpSession, data: msgspec.Raw) -> msgspec.Raw:
    """The answer of API v2 for a start; all but the error message as it was sent. The run has
    started, so that an error hides this message and nothing else.
    """
    answer = _members(data)
    message = _text(answer.get("error_message", _raw("")))
    if not message:
        return data
    try:
        [text] = await hide(session, _text(answer["run_slug"]), [message])
    except ToolRefused:
        text = HIDDEN
    return msgspec.Raw(msgspec.json.encode(answer | {"error_message": _raw(text)}))


async def log_of_v2(session: McpSession, run: str, data: msgspec.Raw) -> msgspec.Raw:
    """The answer of API v2 for the log of ``run``, without its link to the whole log."""
    log = _members(data)
    lines = _list_of_members(log["list"])
    texts = await hide(session, run, [_text(line["content"]) for line in lines])
    shown = [line | {"content": _raw(text)} for line, text in zip(lines, texts, strict=True)]
    return msgspec.Raw(msgspec.json.encode(log | {"list": shown, "all_logs_url": _raw("")}))


def _raw(value: object) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))
