from __future__ import annotations

import json
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from fyke.domain.results.export import service
from fyke.domain.results.export.formats import FORMATS
from fyke.domain.results.export.service import Exports
from fyke.domain.results.query.model import parse_query
from fyke.domain.results.service import RunResults
from fyke.errors import InvalidRequest, RunNotFound
from fyke.kit.ids import new_ulid
from fyke.model.results import Header
from fyke.model.run import RunState
from fyke.reasons import detail_sentence
from support.memory import (
    MemoryResults,
    MemoryStorage,
    a_run,
    a_version,
    a_worker,
    add_account,
    caller_of,
)
from support.parquet import read_table
from support.workbooks import read_xlsx

pytestmark = pytest.mark.anyio

SCHEMA = '[{"name":"title","type":"string"},{"name":"price","type":"number"}]'


class Setup:
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
    assert await Setup().file("csv") == b"title,price,extra\r\na,1.50,\r\n,,true\r\n"


async def test_an_export_has_no_row_ids():
    rows = json.loads(await Setup().file("json"))
    assert rows == [{"price": 1.5, "title": "a"}, {"extra": True}]


async def test_filter_keys_select_columns():
    assert (
        await Setup().file("csv", ["extra", "nobody", "title"]) == b"extra,title\r\n,a\r\ntrue,\r\n"
    )
    assert await Setup().file("jsonl", ["price"]) == b'{"price":1.50}\n{}\n'


@pytest.mark.parametrize("ended", [True, False])
async def test_the_keys_of_an_ended_run_are_read_once_for_all_its_tables(ended: bool):
    setup = Setup()
    if ended:
        done = replace(setup.run, state=RunState.SUCCEEDED, finished_at=1773383784438)
        setup.storage.tx.runs.rows[setup.run.id] = done

    async def reads(name: str, *args) -> tuple[int, bytes]:
        before = len(setup.rows.limits)
        data = await setup.file(name, *args)
        return len(setup.rows.limits) - before, data

    (twice, csv), (again, same), (once, _) = [await reads(name) for name in ("csv", "csv", "json")]
    assert csv == same and (again, twice) == (once if ended else twice, 2 * once)
    assert (await reads("html"))[0] == again
    selected, data = await reads("csv", ["extra", "nobody", "title"])
    assert (selected, data) == (again, b"extra,title\r\n,a\r\ntrue,\r\n")
    setup.rows.push(
        setup.run.id, b'{"late":1}'
    )  # it is not ended then, but the check costs nothing
    assert (await setup.file("csv")).startswith(b"title,price,extra,late\r\n")


async def test_noted_keys_are_the_columns_after_the_headers():
    setup = Setup()
    await setup.file("csv")
    first_pass = len(setup.rows.limits)
    setup.rows.limits.clear()
    setup.rows.noted[setup.run.id] = ["noted", "title", "other"]
    data = await setup.file("csv")
    assert data.splitlines()[0] == b"title,price,noted,other"
    assert len(setup.rows.limits) < first_pass
    assert (await setup.file("csv", ["other", "price", "no"])).splitlines()[0] == b"other,price"
    for query in (parse_query(sort="price"), parse_query(filters=["price:gt:0"])):
        request = service.ExportRequest(FORMATS["csv"], query=query)
        stream = await setup.exports.stream(await setup.exports.prepare(setup.run.id, request))
        head = b"".join([piece async for piece in stream]).splitlines()[0]
        assert (b"noted" in head) == (query.selection.sort is not None)
    setup.rows.noted[setup.run.id] = [f"k{n}" for n in range(255)]
    assert b"k254" in await setup.file("html")
    with pytest.raises(InvalidRequest, match="256 columns"):
        await setup.file("xls")


@pytest.mark.parametrize("ended", [True, False])
async def test_a_parquet_file_has_the_types_of_its_rows(ended: bool):
    setup = Setup()
    if ended:
        done = replace(setup.run, state=RunState.SUCCEEDED, finished_at=1773383784438)
        setup.storage.tx.runs.rows[setup.run.id] = done
    setup.rows.push(setup.run.id, b'{"price":2}', b'{"title":"b","extra":[]}')
    types, rows = read_table(await setup.file("parquet"))
    assert types == {"title": str, "price": float, "extra": str}
    assert [row["price"] for row in rows] == [1.5, None, 2.0, None]
    assert [row["extra"] for row in rows] == [None, "true", None, "[]"]
    types, rows = read_table(await setup.file("parquet", ["price"]))
    assert types == {"price": float} and len(rows) == 4


async def test_rows_of_an_active_run_that_come_later_are_not_in_its_parquet_file():
    setup = Setup()
    export = await setup.exports.open(setup.run.id, FORMATS["parquet"])
    setup.rows.push(setup.run.id, b'{"price":"late"}')
    types, rows = read_table(b"".join([piece async for piece in export.body]))
    assert types["price"] is float and len(rows) == 2


async def test_a_sorted_parquet_file_of_an_active_run_has_all_selected_rows():
    setup = Setup()
    setup.rows.push(setup.run.id, *(b'{"price":%d}' % price for price in (3, 2, 1)))
    query = parse_query(sort="price", filters=["price:gt:0"])
    request = service.ExportRequest(FORMATS["parquet"], query=query)
    stream = await setup.exports.stream(await setup.exports.prepare(setup.run.id, request))
    _, rows = read_table(b"".join([piece async for piece in stream]))
    assert [row["price"] for row in rows] == [1.0, 1.5, 2.0, 3.0]


async def test_the_types_of_a_parquet_file_are_found_without_sorting():
    request = parse_query(sort="price", filters=["price:gt:0"], clean=True)
    assert service._in_any_order(request) == parse_query(filters=["price:gt:0"], clean=True)


async def test_a_csv_for_spreadsheets():
    setup = Setup()
    setup.rows.push(setup.run.id, b'{"title":"=1"}')
    data = await setup.file("csv", ["title"], safe=True, bom=True)
    assert data == b'\xef\xbb\xbftitle\r\na\r\n""\r\n\'=1\r\n'


async def test_a_feed_names_the_worker_and_the_end_of_the_run():
    setup = Setup()
    ended = replace(setup.run, finished_at=1773383784438)
    setup.storage.tx.runs.rows[setup.run.id] = ended
    root = ElementTree.fromstring(await setup.file("rss", link="https://fyke.example/r"))
    assert root.findtext("channel/title") == "Results of Prices"
    assert root.findtext("channel/lastBuildDate") == "Fri, 13 Mar 2026 06:36:24 GMT"
    setup.storage.tx.workers.rows.clear()
    root = ElementTree.fromstring(await setup.file("rss"))
    assert root.findtext("channel/title") == "Results"


async def test_a_workbook(tmp_path):
    sheet = read_xlsx(await Setup(tmp_path).file("xlsx"))["Results"]
    assert sheet[1, 0] == "a" and sheet[2, 2] is True
    assert list(tmp_path.iterdir()) == []


async def test_an_export_of_a_deleted_run_is_not_found():
    setup = Setup()
    setup.storage.tx.runs.rows.clear()
    with pytest.raises(RunNotFound):
        await setup.exports.open(setup.run.id, FORMATS["csv"])


async def test_a_check_returns_the_format_or_names_the_error():
    setup = Setup()
    assert await setup.exports.check(setup.caller, setup.run.id, "CSV") == (FORMATS["csv"], [])
    chosen, notes = await setup.exports.check(setup.caller, setup.run.id, "xls")
    assert chosen is FORMATS["xls"]
    text = " ".join(map(detail_sentence, notes))
    assert [word in text for word in ("65,536", "256", "32 MB", "32,767")] == [True] * 4
    with pytest.raises(InvalidRequest, match="format must be one of"):
        await setup.exports.check(setup.caller, setup.run.id, "pdf")
    stranger = caller_of(add_account(setup.storage, "stranger"))
    for ref in (setup.run.id, new_ulid(), "x"):
        with pytest.raises(RunNotFound):
            await setup.exports.check(stranger, ref, "csv")


async def test_a_run_too_large_for_xls_is_refused_at_the_request_and_at_the_download(monkeypatch):
    setup = Setup()
    monkeypatch.setattr(service, "XLS_MAX_BYTES", 2**20)
    setup.rows.push(setup.run.id, b'{"a":"%s"}' % (b"x" * 2**20))
    with pytest.raises(InvalidRequest, match="choose xlsx"):
        await setup.exports.check(setup.caller, setup.run.id, "xls")
    with pytest.raises(InvalidRequest, match="1 MB"):
        await setup.exports.open(setup.run.id, FORMATS["xls"])
    assert (await setup.exports.check(setup.caller, setup.run.id, "xlsx"))[0] is FORMATS["xlsx"]


@pytest.mark.parametrize("name", ["xlsx", "csv", "html"])
async def test_a_run_with_too_many_columns_is_refused_at_the_request(name: str):
    setup = Setup()
    setup.rows.declared[setup.run.id] = [Header("C", f"c{n}", "text") for n in range(16_385)]
    with pytest.raises(InvalidRequest, match="16,384 columns"):
        await setup.exports.check(setup.caller, setup.run.id, name)
    chosen, _ = await setup.exports.check(setup.caller, setup.run.id, name, ["c1"])
    assert chosen is FORMATS[name]


async def test_the_number_of_sheets_is_in_the_notes(monkeypatch):
    setup = Setup()
    monkeypatch.setattr(service, "XLSX_ROWS", 3)
    setup.rows.push(setup.run.id, b"{}")
    have = (await setup.rows.totals(setup.run.id, frozenset())).rows
    _, notes = await setup.exports.check(setup.caller, setup.run.id, "xlsx")
    assert detail_sentence(notes[0]) == (
        f"a sheet has at most 3 rows with the header row; this file has {-(-have // 2)} sheets"
    )


async def test_the_fingerprint_changes_with_the_bytes():
    setup = Setup()
    request = service.ExportRequest(FORMATS["csv"])
    assert (await setup.exports.prepare(setup.run.id, request)).fingerprint == ""
    setup.storage.tx.runs.rows[setup.run.id] = replace(
        setup.run, state=RunState.SUCCEEDED, finished_at=5
    )
    fingerprint = (await setup.exports.prepare(setup.run.id, request)).fingerprint
    assert fingerprint == (await setup.exports.prepare(setup.run.id, request)).fingerprint != ""
    for other in (
        replace(request, keys=("a",)),
        replace(request, safe=True),
        replace(request, query=parse_query(sort="a")),
        replace(request, format=FORMATS["xml"]),
    ):
        assert (await setup.exports.prepare(setup.run.id, other)).fingerprint != fingerprint
    setup.rows.push(setup.run.id, b"{}")
    assert (await setup.exports.prepare(setup.run.id, request)).fingerprint != fingerprint


async def test_the_limits_of_xls_are_always_in_the_notes() -> None:
    setup = Setup()
    setup.rows.push(setup.run.id, b"{}")
    _, notes = await setup.exports.check(setup.caller, setup.run.id, "xls")
    assert list(map(detail_sentence, notes)) == [
        "a sheet has at most 65,536 rows with the header row; this file has 1 sheet",
        f"the file has at most 256 columns and {service.XLS_MAX_BYTES // 2**20} MB of rows; "
        "choose xlsx or csv for more",
        "a cell has at most 32,767 characters; longer texts are cut and end with …[cut]",
    ]


async def test_the_length_of_cells_is_always_in_the_notes_of_xlsx() -> None:
    setup = Setup()
    setup.rows.push(setup.run.id, b"{}")
    _, notes = await setup.exports.check(setup.caller, setup.run.id, "xlsx")
    assert list(map(detail_sentence, notes)) == [
        "a cell has at most 32,767 characters; longer texts are cut and end with …[cut]",
    ]
