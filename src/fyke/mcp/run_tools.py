"""Our own tools for runs: start, wait, read rows, and why a run went as it did."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import msgspec

from fyke.mcp import calls, coreclaw_runs, hidden, starts
from fyke.mcp.calls import refusals, segment
from fyke.mcp.row_text import LONG_TEXT, enclosed, fitting, shortened
from fyke.mcp.session import McpSession
from fyke.mcp.tool import (
    UNTRUSTED,
    Arguments,
    McpTool,
    ToolAnswer,
    ToolHints,
    ToolRefused,
    answer_of,
)
from fyke.mcp.worker_tools import unknown_fields

WAIT_SECONDS = 45  # most programs end a call after a minute
_NOTE_SECONDS = 5.0  # for names of fields, without which a run is started too
PAGE = 50  # rows of one request
MAX_PAGES = 20  # of one call
_SMALL_PAGE = 10  # rows
_TOKENS_OF_A_ROW = 100  # about
_ROW_ID = "__coreclaw_data_id__"
DEFAULT_TOKENS, MAX_TOKENS = 2000, 50_000
_FIRST = "*"
_SHOWN_ATTEMPTS = 5
_SHOWN_SITES = 10
_SHOWN_COLUMNS = 40

_RUN = {"type": "string", "description": "id of a run"}


# --- start and wait ------------------------------------------------------------------------


async def start_run(session: McpSession, arguments: Arguments) -> ToolAnswer:
    """The run's id is the handle: it stays valid for every later call, also after a restart."""
    system = {
        name: arguments[argument]
        for argument, name in (
            ("memory_mb", "memory"),
            ("max_seconds", "execute_limit_time_seconds"),
            ("max_charge_usd", starts.CHARGE),
            ("max_traffic_mb", "max_total_traffic"),
        )
        if argument in arguments
    }
    custom = arguments.get("input", {})
    parameters: dict[str, Any] = {"custom": custom}
    if system:
        parameters["system"] = system
    body: dict[str, Any] = {
        "input": {"parameters": parameters},
        "version": arguments.get("version", ""),
    }
    unknown: list[str] = []
    # Before the start: a call that ends after it without an answer loses the id of the run.
    with suppress(ToolRefused, TimeoutError):
        async with asyncio.timeout(_NOTE_SECONDS):
            unknown = await unknown_fields(session, arguments["worker"], custom, body["version"])
    key = arguments.get("once", "")
    data = await starts.start(session, arguments["worker"], body, idempotency_key=key)
    run = msgspec.json.decode(data)["run_slug"]
    answer = {"run": run, "next": f"wait_for_run with run {run}, or read_rows as they come"}
    if not unknown:
        return answer_of(answer)
    note = f"the input has fields that the Worker does not have: {'; '.join(unknown)}"
    return answer_of(answer | {"note": note}, untrusted=True)


async def wait_for_run(session: McpSession, arguments: Arguments) -> ToolAnswer:
    run = arguments["run"]
    await coreclaw_runs.wait(session, run, arguments["seconds"])
    summary = await hidden.summary(session, run)
    answer = _outline(summary)
    if not answer["ended"]:
        waiting = await calls.read(session, f"/api/fyke/runs/{segment(run)}/waiting")
        answer["waiting_for"] = waiting["reason"]
        answer["progress"] = summary.get("progress")  # an older server has none
        answer["next"] = "call wait_for_run again; the run goes on meanwhile"
    elif answer["state"] == "succeeded":
        answer["next"] = "read_rows"
    else:
        answer["next"] = "diagnose_run"
    says_progress = bool(answer.get("progress") and answer["progress"].get("text"))
    return answer_of(answer, untrusted=bool(summary["reason"]) or says_progress)


def _outline(summary: dict[str, Any]) -> dict[str, Any]:
    """What is said of every run. A run that is being aborted has ended once it has an end."""
    return {
        "run": summary["slug"],
        "state": summary["state"],
        "ended": summary["finished_at"] > 0,
        "reason": summary["reason"],
        "rows": summary["results"],
        "hidden_rows": summary["hidden"],
        "cost_usd": summary["usage"],
        "traffic_bytes": summary["traffic"],
        "seconds": summary["duration"],
    }


# --- rows ----------------------------------------------------------------------------------


async def read_rows(session: McpSession, arguments: Arguments) -> ToolAnswer:
    """The rows after ``cursor`` that fit in ``max_tokens``. The cursor of the answer is where they
    stopped, also inside a page, so each call brings only rows that were not read before.
    """
    run, most = arguments["run"], arguments["max_tokens"]
    fields = tuple(arguments.get("fields") or ())
    reading = _Reading(*_place(arguments.get("cursor", "")), left=most, fields=fields)
    size = min(PAGE, max(_SMALL_PAGE, most // _TOKENS_OF_A_ROW))
    query = {
        member: arguments[name]
        for name, member in (("fields", "fields"), ("where", "filter"))
        if arguments.get(name)
    }
    path = f"/api/v2/worker-runs/{segment(run)}/result"

    async def page(limit: int) -> dict[str, Any]:
        found: dict[str, Any] = await calls.read(
            session, path, **query, limit=limit, cursor=reading.place
        )
        return found

    for _ in range(MAX_PAGES):
        if not reading.take(await page(reading.skip + size)):
            break
    if reading.more and reading.skip:
        # A cursor after the last row that was taken: a number of rows would be wrong if rows before
        # it were hidden meanwhile.
        reading.move((await page(reading.skip))["next_cursor"])
    about = {
        "run": run,
        "rows": len(reading.lines),
        "rows_of_run": reading.count,
        "more": reading.more,
        "cursor": f"{reading.place}.{reading.skip}",
        "cut": reading.cut,
    }
    if not reading.more:
        count = None if "filter" in query else reading.count
        about["next"] = await _after_all(session, run, count)
    names = list(query.get("fields", ()))
    if not reading.count:
        names += [condition.split(":")[0] for condition in query.get("filter", ())]
    note = ""
    if not (reading.lines and arguments.get("cursor")):
        note = await _unknown_fields(session, path, [n for n in names if n not in reading.seen])
    if note:
        about["note"] = note
    text = msgspec.json.encode(about).decode()
    if not reading.lines:
        return ToolAnswer((text, UNTRUSTED), True) if note else ToolAnswer((text,))
    rows = enclosed("rows of a run, one JSON object in each", reading.lines)
    return ToolAnswer((text, rows), True)


async def _after_all(session: McpSession, run: str, count: int | None) -> str:
    """What to do after the last of the ``count`` rows that a run had; None: of those that match."""
    summary = await calls.read(session, f"/api/fyke/runs/{segment(run)}")
    ended = summary["finished_at"] > 0
    if count is None:
        at_first = "of the rows that the run had when this reading began"
        if ended:
            return f"these were all that match {at_first}; the run has ended"
        return f"no more {at_first}; for later ones, begin again without a cursor"
    if ended and summary["results"] <= count:
        return "these were all rows; the run has ended"
    return "no more rows now; while the run goes on, ask later with this cursor"


async def _unknown_fields(session: McpSession, path: str, names: list[str]) -> str:
    """A sentence if none of the first rows has one of the fields ``names``."""
    if not names:
        return ""
    rows = (await calls.read(session, path, limit=PAGE, cursor=_FIRST))["list"]
    unknown = [name for name in names if not any(_has(row, name) for row in rows)]
    if not rows or not unknown:
        return ""
    columns = dict.fromkeys(name for row in rows for name in row if name != _ROW_ID)
    return (
        f"none of the first {len(rows)} rows has {', '.join(unknown)[:LONG_TEXT]}; their fields "
        f"are {', '.join(name[:LONG_TEXT] for name in [*columns][:_SHOWN_COLUMNS])}"
    )


def _has(row: Any, field: str) -> bool:
    """Whether a row has a field; ``a.b`` is b inside a, or has that name."""
    if not isinstance(row, dict):
        return False
    first, _, rest = field.partition(".")
    return field in row or (first in row and bool(rest) and _has(row[first], rest))


@dataclass
class _Reading:
    """Rows that fit in ``left`` tokens. ``place`` is the server's cursor of a page, ``skip`` the
    number of its rows that were read; it is 0 but after the last row. ``seen``: which of ``fields``
    a row has had.
    """

    place: str
    skip: int
    left: int
    fields: tuple[str, ...] = ()
    lines: list[str] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)
    count: int = 0
    more: bool = True
    cut: bool = False

    def take(self, page: dict[str, Any]) -> bool:
        """Take rows of ``page``; whether there is room for the next page."""
        rows, self.count = page["list"], page["count"]
        for name in self.fields:
            if name not in self.seen and any(_has(row, name) for row in rows):
                self.seen.add(name)
        found = [(number, _without_empty(rows[number])) for number in range(self.skip, len(rows))]
        full = [(number, row) for number, row in found if row]
        taken, used, cut = fitting([row for _, row in full], self.left)
        self.more = True
        if cut and self.lines:
            self.skip = full[0][0]
            return False  # the next call begins with this row
        self.lines += taken
        self.left -= used
        self.cut = cut
        if len(taken) < len(full):
            self.skip = full[len(taken)][0]
            return False
        self.skip = len(rows)
        self.more = page["next_cursor"] not in (None, self.place)
        self.move(page["next_cursor"])
        return self.more and not cut and self.left > 0

    def move(self, place: str | None) -> None:
        if place:
            self.place, self.skip = place, 0


def _without_empty(row: dict[str, Any], *, inside: bool = False) -> dict[str, Any]:
    """``row`` as ``clean`` of the API leaves it. A page with ``clean`` would have fewer rows than
    its size, so rows could not be counted in it.
    """
    kept: dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(value, dict):
            value = _without_empty(value, inside=True)
        if value not in (None, "", [], {}) and (inside or name != _ROW_ID):
            kept[name] = value
    return kept


def _place(cursor: str) -> tuple[str, int]:
    """The server's cursor, and how many rows after it were read."""
    if not cursor:
        return _FIRST, 0
    place, _, skip = cursor.rpartition(".")
    if not place or not skip.isdecimal() or len(skip) > 4:
        raise ToolRefused("cursor must be the cursor of an earlier answer, or empty")
    return place, int(skip)


# --- diagnosis -----------------------------------------------------------------------------


async def diagnose_run(session: McpSession, arguments: Arguments) -> ToolAnswer:
    """Why a run ended as it did or does not go on, the remedy, and the evidence."""
    run = calls.plain_id(arguments["run"])
    path = f"/api/fyke/runs/{segment(run)}"
    summary = await hidden.summary(session, run)
    answer = _outline(summary) | {"reason_code": summary["reason_code"]}
    if hint := summary["hint"]:
        answer |= {"cause": hint["cause"], "remedy": hint["next_step"]}
    if not answer["ended"]:
        answer["waiting_for"] = (await calls.read(session, f"{path}/waiting"))["reason"]
    subtasks = await calls.read(session, f"{path}/subtasks", limit=100, safe_input=True)
    failed = [item for item in subtasks["list"] if item["outcome"] not in ("", "succeeded")]
    answer["subtasks"] = subtasks["count"]
    errors = [line["content"] for line in summary["errors"]] or await _last_errors(session, run)
    shown, most = failed[:_SHOWN_ATTEMPTS], arguments["max_tokens"]
    reasons = await hidden.hide(session, run, [item["reason"] for item in shown])
    of_each = most // (2 * max(1, len(shown)))
    answer["failed_subtasks"] = [
        {
            "number": item["number"],
            "input": shortened(item["input"], of_each),
            "reason": reason,
        }
        for item, reason in zip(shown, reasons, strict=True)
    ]
    sites = await calls.read(session, f"{path}/sites")
    troubled = [
        site for site in sites["list"] if site["failures"] or site["refused"] or _errors_of(site)
    ]
    troubled = troubled[:_SHOWN_SITES]
    names = await hidden.hide(session, run, [site["domain"] for site in troubled])
    answer["sites_with_trouble"] = [
        {
            "site": name,
            "failures": site["failures"],
            "refused": site["why"],
            "error_answers": _errors_of(site),
        }
        for name, site in zip(names, troubled, strict=True)
    ]
    if answer["ended"]:
        verdict = await coreclaw_runs.verdict_of(session, run, 5)
        answer["verdict"] = verdict["verdict"]
    text = msgspec.json.encode(answer).decode()
    if not errors:
        return ToolAnswer((text,), True)
    taken, _, _ = fitting(errors, most - of_each * len(shown))
    return ToolAnswer((text, enclosed("the last error lines of its log, as JSON", taken)), True)


def _errors_of(site: dict[str, Any]) -> dict[str, int]:
    """The answers of a site with an error, by status; an older server does not count them."""
    statuses = site.get("statuses", {})
    return {name: count for name, count in statuses.items() if name[0] in "45"}


async def _last_errors(session: McpSession, run: str) -> list[str]:
    page = await calls.read(session, f"/api/fyke/runs/{segment(run)}/log/page", level=4, limit=20)
    return await hidden.hide(session, run, [line["content"] for line in page["list"]])


# --- spending ------------------------------------------------------------------------------


async def get_spending(session: McpSession, arguments: Arguments) -> ToolAnswer:
    if session.cap is None:
        return answer_of({"cap_usd": None, "note": "the user has set no spend cap"})
    with refusals():
        status = await session.spending.status(session.fyke, session.cap)
    answer = {
        "cap_usd": str(status.cap),
        "spent_usd": str(status.spent),
        "reserved_usd": None if status.reserved is None else str(status.reserved),
        "left_usd": str(status.left),
        "period": status.period,
    }
    if not await _has_prices(session):
        answer["note"] = "no prices are set, so runs cost nothing and nothing is counted"
    elif status.reserved is None:
        answer["note"] = "an active run has no charge limit, so nothing is left until it ends"
    return answer_of(answer)


async def _has_prices(session: McpSession) -> bool:
    """Whether runs cost anything, which the figures of any Worker say; True without Workers."""
    for path in ("/api/v2/workers", "/api/v2/store"):
        for worker in (await calls.read(session, path, limit=1))["list"]:
            path = f"/api/fyke/workers/{segment(worker['path'])}/estimate"
            return bool((await calls.read(session, path))["priced"])
    return True


_READS = ToolHints(read_only=True, idempotent=True)

RUN_TOOLS = (
    McpTool(
        "start_run",
        "Start a run of a Worker and return at once. The answer's run is its handle for all other "
        "tools. Use check_input first if you are not sure of the input.",
        {
            "worker": {"type": "string", "description": "owner/name, or the id of a Worker"},
            "input": {"type": "object", "description": "the Worker's own fields"},
            "version": {"type": "string", "description": "empty: the newest"},
            "memory_mb": {"type": "integer", "enum": [512, 1024, 2048, 4096, 8192, 16384]},
            "max_seconds": {"type": "integer", "minimum": 0, "maximum": 604800},
            "max_charge_usd": {
                "type": "number",
                "minimum": 0,
                "description": "the run is stopped when it costs this",
            },
            "max_traffic_mb": {"type": "number", "minimum": 0},
            "once": {
                "type": "string",
                "maxLength": 255,
                "description": "any text of your own: a start with the same one in 24 hours "
                "answers the same run, so a lost answer can be asked for again",
            },
        },
        start_run,
        required=("worker",),
        hints=ToolHints(open_world=True),
    ),
    McpTool(
        "wait_for_run",
        "Wait for the end of a run, at most seconds; then its state, rows and cost. Call it again "
        "if it has not ended.",
        {
            "run": _RUN,
            "seconds": {"type": "integer", "minimum": 0, "maximum": 600, "default": WAIT_SECONDS},
        },
        wait_for_run,
        required=("run",),
        hints=_READS,
    ),
    McpTool(
        "read_rows",
        "Rows of a run, also while it goes on, within max_tokens. Send the cursor of the last "
        "answer to get only the rows after it.",
        {
            "run": _RUN,
            "cursor": {
                "type": "string",
                "description": "of the last answer; empty: from the start",
            },
            "max_tokens": {
                "type": "integer",
                "minimum": 100,
                "maximum": MAX_TOKENS,
                "default": DEFAULT_TOKENS,
            },
            "fields": {
                "type": "array",
                "items": {"type": "string"},
                "description": "only these fields; a.b is inside a",
            },
            "where": {
                "type": "array",
                "items": {"type": "string"},
                "description": "conditions field:operator:value, such as price:lt:20; of the "
                "rows that the run has when the reading begins",
            },
        },
        read_rows,
        required=("run",),
        hints=_READS,
    ),
    McpTool(
        "diagnose_run",
        "Why a run failed, collected nothing or does not start: cause, remedy, failed subtasks, "
        "sites with trouble and the last error lines.",
        {
            "run": _RUN,
            "max_tokens": {"type": "integer", "minimum": 100, "maximum": 10_000, "default": 1000},
        },
        diagnose_run,
        required=("run",),
        hints=_READS,
    ),
    McpTool(
        "get_spending",
        "The spend cap that the user has set, and what is left of it.",
        {},
        get_spending,
        hints=_READS,
    ),
)
