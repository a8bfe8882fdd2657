from __future__ import annotations

import json
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from fyke.domain.results.export import service
from fyke.domain.results.export.formats import FORMATS
from fyke.domain.results.export.service import Exports
from fyke.domain.results.query.model import query_of
from fyke.domain.results.service import RunResults
from fyke.errors import InvalidRequest, RunNotFound
from fyke.kit.ids import new_ulid
from fyke.model.results import Header
from fyke.model.run import RunState
from support.memory import (
    MemoryResults,
    MemoryStorage,
    a_run,
    a_version,
    a_worker,
    add_account,
    caller_of,
)
from support.workbooks import read_xlsx

pytestmark = pytest.mark.anyio

SCHEMA = '[{"name":"title","type":"string"},{"name":"price","type":"number"}]'


class Place:
    def __init__(self, scratch=None) -> None:
        self.storage = MemoryStorage()
        self.rows = MemoryResults()
        self.account = add_account(self.storage)
        self.caller = caller_of(self.account)
        worker = a_worker(self.account.id)
        self.run = a_run(self.account.id, worker_id=worker.id)
        tx = self.storage.tx
        tx.runs.rows[self.run.id] = self.run
        tx.workers.rows[worker.id] = worker
        version = a_version(worker.id, output_schema=SCHEMA)
        tx.workers.version_rows[worker.id, version.number] = version
        self.rows.push(self.run.id, b'{"price":1.50,"title":"a"}', b'{"extra":true}')
        self.rows.push(self.run.id, b'{"error":1}', attempt_id="failed")
        tx.runs.hidden[self.run.id] = frozenset({"failed"})
        results = RunResults(self.storage, self.rows)
        self.exports = Exports(self.storage, results, self.storage.clock, scratch)

    async def file(self, name: str, *args, **options) -> bytes:
        export = await self.exports.open(self.run.id, FORMATS[name], *args, **options)
        assert export.content_type == FORMATS[name].content_type
        return b"".join([piece async for piece in export.body])


async def test_an_export_contains_the_visible_rows_in_the_columns_of_the_run():
    assert await Place().file("csv") == b"title,price,extra\r\na,1.50,\r\n,,true\r\n"


async def test_an_export_is_the_data_without_ids():
    rows = json.loads(await Place().file("json"))
    assert rows == [{"price": 1.5, "title": "a"}, {"extra": True}]


async def test_chosen_keys():
    assert (
        await Place().file("csv", ["extra", "nobody", "title"]) == b"extra,title\r\n,a\r\ntrue,\r\n"
    )
    assert await Place().file("jsonl", ["price"]) == b'{"price":1.50}\n{}\n'


async def test_a_csv_for_spreadsheets():
    place = Place()
    place.rows.push(place.run.id, b'{"title":"=1"}')
    data = await place.file("csv", ["title"], safe=True, bom=True)
    assert data == b'\xef\xbb\xbftitle\r\na\r\n""\r\n\'=1\r\n'


async def test_a_feed_names_the_worker_and_the_end_of_the_run():
    place = Place()
    ended = replace(place.run, finished_at=1773383784438)
    place.storage.tx.runs.rows[place.run.id] = ended
    root = ElementTree.fromstring(await place.file("rss", link="https://fyke.example/r"))
    assert root.findtext("channel/title") == "Results of Prices"
    assert root.findtext("channel/lastBuildDate") == "Fri, 13 Mar 2026 06:36:24 GMT"
    place.storage.tx.workers.rows.clear()
    root = ElementTree.fromstring(await place.file("rss"))
    assert root.findtext("channel/title") == "Results"


async def test_a_workbook(tmp_path):
    sheet = read_xlsx(await Place(tmp_path).file("xlsx"))["Results"]
    assert sheet[1, 0] == "a" and sheet[2, 2] is True
    assert list(tmp_path.iterdir()) == []


async def test_an_export_dies_with_its_run():
    place = Place()
    place.storage.tx.runs.rows.clear()
    with pytest.raises(RunNotFound):
        await place.exports.open(place.run.id, FORMATS["csv"])


async def test_asking_for_an_export():
    place = Place()
    assert await place.exports.check(place.caller, place.run.id, "XLSX") == (FORMATS["xlsx"], [])
    chosen, notes = await place.exports.check(place.caller, place.run.id, "xls")
    assert chosen is FORMATS["xls"]
    assert [word in " ".join(notes) for word in ("65,536", "256", "32 MB", "32,767")] == [True] * 4
    with pytest.raises(InvalidRequest, match="format must be one of"):
        await place.exports.check(place.caller, place.run.id, "pdf")
    stranger = caller_of(add_account(place.storage, "stranger"))
    for ref in (place.run.id, new_ulid(), "x"):
        with pytest.raises(RunNotFound):
            await place.exports.check(stranger, ref, "csv")


async def test_a_run_too_large_for_xls_is_refused_when_asked_and_when_fetched(monkeypatch):
    place = Place()
    monkeypatch.setattr(service, "XLS_MAX_BYTES", 2**20)
    place.rows.push(place.run.id, b'{"a":"%s"}' % (b"x" * 2**20))
    with pytest.raises(InvalidRequest, match="choose xlsx"):
        await place.exports.check(place.caller, place.run.id, "xls")
    with pytest.raises(InvalidRequest, match="1 MB"):
        await place.exports.open(place.run.id, FORMATS["xls"])
    assert await place.exports.check(place.caller, place.run.id, "xlsx") == (FORMATS["xlsx"], [])


@pytest.mark.parametrize("name", ["xlsx", "csv", "html"])
async def test_a_run_too_wide_is_refused_when_asked(name: str):
    place = Place()
    place.rows.declared[place.run.id] = [Header("C", f"c{n}", "text") for n in range(16_385)]
    with pytest.raises(InvalidRequest, match="16,384 columns"):
        await place.exports.check(place.caller, place.run.id, name)
    assert await place.exports.check(place.caller, place.run.id, name, ["c1"]) == (
        FORMATS[name],
        [],
    )


async def test_sheets_are_announced(monkeypatch):
    place = Place()
    monkeypatch.setattr(service, "XLSX_ROWS", 3)
    place.rows.push(place.run.id, b"{}")
    have = (await place.rows.totals(place.run.id, frozenset())).rows
    _, notes = await place.exports.check(place.caller, place.run.id, "xlsx")
    assert notes == [
        f"xlsx allows 3 rows a sheet with the header; this file has {-(-have // 2)} sheets"
    ]


async def test_the_mark_is_that_of_the_bytes():
    place = Place()
    request = service.ExportRequest(FORMATS["csv"])
    assert (await place.exports.plan(place.run.id, request)).mark == ""
    place.storage.tx.runs.rows[place.run.id] = replace(
        place.run, state=RunState.SUCCEEDED, finished_at=5
    )
    mark = (await place.exports.plan(place.run.id, request)).mark
    assert mark == (await place.exports.plan(place.run.id, request)).mark != ""
    for other in (
        replace(request, keys=("a",)),
        replace(request, safe=True),
        replace(request, query=query_of(sort="a")),
        replace(request, format=FORMATS["xml"]),
    ):
        assert (await place.exports.plan(place.run.id, other)).mark != mark
    place.rows.push(place.run.id, b"{}")
    assert (await place.exports.plan(place.run.id, request)).mark != mark
