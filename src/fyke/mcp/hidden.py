"""Texts about runs without the secrets in the inputs of these runs, which the server finds.

An answer goes to the provider of a model, and the agent need not have started the run. Rows are
not searched: they are what the run was started for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from fyke.mcp import calls
from fyke.mcp.calls import segment
from fyke.mcp.session import McpSession

PART_CHARS, PART_TEXTS = 100_000, 1000  # of one request, whose body is at most 1 MiB
MAX_RUNS = 100  # of one request

_Members = dict[str, msgspec.Raw]
_members = msgspec.json.Decoder(_Members).decode
_list_of_members = msgspec.json.Decoder(list[_Members]).decode
_text = msgspec.json.Decoder(str).decode


async def hide(session: McpSession, run: str, texts: Sequence[str]) -> list[str]:
    """``texts`` about ``run`` without secrets. Raises ``ToolRefused``."""
    return await hide_in_all(session, [(run, text) for text in texts])


async def hide_in_all(session: McpSession, texts: Sequence[tuple[str, str]]) -> list[str]:
    """Texts without secrets; each comes after the id of its run. Raises ``ToolRefused``."""
    hidden: dict[int, str] = {}
    for places in _parts(texts):
        body = {
            "runs": [texts[place][0] for place in places],
            "texts": [texts[place][1] for place in places],
        }
        data = await calls.call(session, "POST", "/api/fyke/hidden-texts", body=body)
        hidden |= zip(places, msgspec.json.decode(data)["texts"], strict=True)
    return [hidden.get(place, text) for place, (_, text) in enumerate(texts)]


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
    places: list[tuple[dict[str, Any], str]] = [(found, "reason")]
    places += [(found["reason_params"], name) for name in found["reason_params"]]
    if hint := found["hint"]:
        places += [(hint, "cause"), (hint, "next_step")]
        places += [(hint["params"], name) for name in hint["params"]]
    places += [(line, "content") for line in found["errors"]]
    places = [place for place in places if isinstance(place[0][place[1]], str)]
    texts = await hide(session, found["slug"], [at[name] for at, name in places])
    for (at, name), text in zip(places, texts, strict=True):
        at[name] = text
    return found


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


async def log_of_v2(session: McpSession, run: str, data: msgspec.Raw) -> msgspec.Raw:
    """The answer of API v2 for the log of ``run``."""
    log = _members(data)
    lines = _list_of_members(log["list"])
    texts = await hide(session, run, [_text(line["content"]) for line in lines])
    shown = [line | {"content": _raw(text)} for line, text in zip(lines, texts, strict=True)]
    return msgspec.Raw(msgspec.json.encode(log | {"list": shown}))


def _raw(value: object) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))
