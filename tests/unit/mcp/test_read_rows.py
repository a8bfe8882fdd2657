"""``read_rows``: where it stops, and where the next call goes on."""

from __future__ import annotations

from typing import Any, cast

import msgspec

from fyke.mcp.run_tools import read_rows
from fyke.mcp.session import McpSession


class Rows:
    """A client of one run. A cursor is the position of the last row that was read."""

    def __init__(self, rows: list[dict[str, Any]], *, ended: bool = True) -> None:
        self.rows = dict(enumerate(rows, 1))
        self.ended = ended
        self.late = 0  # rows that came after the last page was read
        self.asked: list[int] = []  # the sizes of pages

    async def request(self, _: str, path: str, *, query: Any, **__: Any) -> bytes:
        if not path.endswith("/result"):
            about = {"finished_at": int(self.ended), "results": len(self.rows) + self.late}
            return msgspec.json.encode(about)
        limit = query["limit"]
        self.asked.append(limit)
        after = 0 if query["cursor"] == "*" else int(query["cursor"])
        left = {at: row for at, row in self.rows.items() if at > after}
        page = dict(list(left.items())[:limit])
        if fields := query.get("fields"):
            page = {at: {n: row[n] for n in fields if n in row} for at, row in page.items()}
        more = len(left) > limit or not self.ended
        cursor = str(max(page, default=after)) if more else None
        answer = {"list": [*page.values()], "count": len(self.rows), "next_cursor": cursor}
        return msgspec.json.encode(answer)

    async def read(self, **arguments: Any) -> tuple[dict[str, Any], list[int]]:
        """What ``read_rows`` says, and the members ``n`` of its rows."""
        given = {"run": "r", "max_tokens": 2000} | arguments
        answer = await read_rows(McpSession(cast(Any, self)), given)
        lines = answer.parts[1].splitlines()[2:-1] if len(answer.parts) > 1 else []
        return msgspec.json.decode(answer.parts[0]), [
            msgspec.json.decode(line)["n"] for line in lines
        ]


async def test_rows_that_are_empty_do_not_end_a_reading() -> None:
    rows: list[dict[str, Any]] = [{"n": n} if n % 2 else {"gone": {"x": ""}} for n in range(120)]
    about, numbers = await Rows(rows).read()
    assert numbers == [n for n in range(120) if n % 2]
    assert about["more"] is False


async def test_one_call_reads_a_bounded_number_of_pages() -> None:
    run = Rows([{}] * 1000 + [{"n": 1}])
    about, numbers = await run.read()
    assert (numbers, about["more"], len(run.asked)) == ([], True, 20)
    while about["more"]:
        about, numbers = await run.read(cursor=about["cursor"])
    assert numbers == [1]


async def test_no_row_is_skipped_when_rows_before_the_cursor_are_hidden() -> None:
    run = Rows([{"n": n, "text": "x" * 60} for n in range(1, 31)])
    about, numbers = await run.read(max_tokens=200)
    assert about["more"] is True
    for hidden in range(1, 4):
        del run.rows[hidden]
    seen = numbers
    while about["more"]:
        about, numbers = await run.read(cursor=about["cursor"], max_tokens=200)
        seen += numbers
    assert seen == list(range(1, 31))


async def test_a_running_run_goes_on_after_its_last_row() -> None:
    run = Rows([{"n": n} for n in range(1, 4)], ended=False)
    about, numbers = await run.read()
    assert (numbers, about["more"]) == ([1, 2, 3], False)
    run.rows[4] = {"n": 4}
    assert (await run.read(cursor=about["cursor"]))[1] == [4]


async def test_few_tokens_need_small_pages_and_conditions_are_of_one_moment() -> None:
    run = Rows([{"n": 1}], ended=False)
    about, _ = await run.read(max_tokens=100, where=["n:gt:0"])
    assert set(run.asked) == {10}
    assert "begin again without a cursor" in about["next"]


async def test_fields_that_no_row_has_are_named_with_those_that_there_are() -> None:
    run = Rows([{"n": n, "of": {"shop": 1}} for n in range(60)])
    about, numbers = await run.read(fields=["nope"])
    assert (numbers, about["rows_of_run"]) == ([], 60)
    assert about["note"] == "none of the first 50 rows has nope; their fields are n, of"
    about, numbers = await run.read(fields=["n", "nope", "of.shop"])
    assert (len(numbers), about["note"][:35]) == (60, "none of the first 50 rows has nope;")
    for fields in (["n"], ["n", "of.shop"], []):
        assert "note" not in (await run.read(fields=fields))[0]
    assert "note" not in (await Rows([]).read(fields=["n"]))[0]


async def test_the_end_of_a_run_and_of_its_rows_now_are_told_apart() -> None:
    rows = [{"n": 1}]
    assert (await Rows(rows).read())[0]["next"] == "these were all rows; the run has ended"
    about, _ = await Rows(rows).read(where=["n:gt:0"])
    assert about["next"].startswith("these were all that match of the rows")
    late = Rows(rows)
    late.late = 1
    for run in (late, Rows(rows, ended=False)):
        assert "ask later with this cursor" in (await run.read())[0]["next"]
