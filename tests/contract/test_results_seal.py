"""The contract of ``Results.seal_runs``: the rows of ended runs move to files, and every read
returns the same at any moment. The suite of reads runs over sealed rows too, see
``test_results_read``.
"""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fyke.contracts.inline import NotInline
from fyke.errors import Unavailable
from fyke.kit.zstd import zstd_module
from fyke.model.results import AttemptBatch, PushedRow, RowBlock
from fyke.storage.blobs.filesystem import FilesystemBlobs
from fyke.storage.sql.results import noted_keys, read, seal, sealing
from fyke.storage.sql.results.drivers import Driver
from fyke.storage.sql.results.hidden import HiddenPositions
from fyke.storage.sql.results.sealing import RowSealer
from fyke.storage.sql.results.store import SqlResults
from support.results_address import ResultsAddress
from support.rows import NONE, RUN, everything, lines, numbers, plain, upsert
from support.sealed import seal_small_frames

pytestmark = pytest.mark.anyio

COUNT = 300
HIDDEN = frozenset("b")


@pytest.fixture(autouse=True)
def small_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    seal_small_frames(monkeypatch)


@pytest.fixture
async def ended(results: SqlResults) -> SqlResults:
    """A run that has ended, with the rows of three attempts in turn."""
    await push(results, COUNT)
    for attempt in "abc":
        await results.close_attempt(attempt)
    return results


async def push(results: SqlResults, count: int) -> None:
    for attempt in "abc":
        await results.open_attempt(RUN, attempt)
    for n in range(0, count, 10):
        rows = [upsert(b'{"n":%d}' % m, str(m)) for m in range(n, n + 10)]
        await results.commit([AttemptBatch(RUN, "abc"[n // 10 % 3], rows, log=lines(n, n + 2))])


async def query(results: SqlResults, statement: str) -> list[Any]:
    return await results._read(lambda driver: driver.query(statement))


async def hot_rows(results: SqlResults) -> int:
    return int((await query(results, "SELECT count(*) FROM results_rows"))[0][0])


def files(address: ResultsAddress) -> list[Path]:
    return sorted((address.blobs / "rows").glob("*"))


async def seals(results: SqlResults) -> list[Any]:
    return await query(results, "SELECT blob, done FROM results_seals")


async def all_reads(results: SqlResults) -> list[Any]:
    """What every kind of read returns."""
    blocks, position = [], 0
    while block := await results.block_after(RUN, NONE, position=position, limit=1000):
        blocks += block.texts()
        position = block.positions[-1]
    return [
        await everything(results),
        await everything(results, hidden=HIDDEN),
        [await results.page(RUN, h, offset=70, limit=150) for h in (NONE, HIDDEN)],
        [await results.totals(RUN, h) for h in (NONE, HIDDEN)],
        await results.rows_at(RUN, [299, 1, 65, 64, 130, 999]),
        blocks,
        await results.log_tail(RUN, 99),
        await results.headers(RUN),
    ]


async def test_the_file_has_the_rows_as_json_lines(
    ended: SqlResults, results_address: ResultsAddress
) -> None:
    before = await all_reads(ended)
    await ended.seal_runs([RUN, "unknown"], COUNT)
    assert await all_reads(ended) == before
    assert await hot_rows(ended) == 0
    assert await query(ended, "SELECT * FROM results_upserts") == []
    [file] = files(results_address)
    assert await seals(ended) == [(f"rows/{file.name}", True)]
    assert file.name.startswith(f"{RUN.lower()}-") and file.name.endswith(".jsonl.zst")
    data = file.read_bytes()
    with zstd_module().ZstdFile(io.BytesIO(data)) as stream:
        assert stream.read() == b"".join(row.data + b"\n" for row in before[0])
    size = int.from_bytes(data[-4:], "little")
    index = json.loads(data[-4 - size : -4])
    assert index["run"] == RUN and sorted(index["attempts"].values()) == ["a", "b", "c"]
    second = index["frames"][1]
    frame = data[second["start_byte"] :][: second["bytes"]]
    first_row = zstd_module().decompress(frame).partition(b"\n")[0]
    assert first_row == before[0][index["frames"][0]["rows"]].data


async def test_only_large_ended_runs_are_sealed(
    ended: SqlResults, results_address: ResultsAddress
) -> None:
    await ended.seal_runs([], 1)
    await ended.seal_runs([RUN], COUNT + 1)
    await ended.seal_runs([RUN], 0)
    await ended.open_attempt(RUN, "late")
    await ended.seal_runs([RUN], 1)
    assert (files(results_address), await hot_rows(ended)) == ([], COUNT)
    await ended.close_attempt("late")
    await ended.open_attempt(RUN, RUN)  # lines of the platform
    await ended.seal_runs([RUN], 1)
    assert (len(files(results_address)), await hot_rows(ended)) == (1, 0)


class Killed(BaseException):
    """The process dies before an operation on the database or the blobs."""


class Dying:
    """Counts operations and raises at one of them and all that follow."""

    def __init__(self, at: int) -> None:
        self.left = at

    def step(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise Killed

    def wrap(self, operation: Callable[..., Any]) -> Callable[..., Any]:
        async def wrapped(*arguments: Any) -> Any:
            self.step()
            answer = await operation(*arguments)
            self.step()
            return answer

        return wrapped


class DyingBlobs:
    def __init__(self, blobs: FilesystemBlobs, dying: Dying) -> None:
        self.put_stream = dying.wrap(blobs.put_stream)
        self.delete = dying.wrap(blobs.delete)
        self.read_range, self.free_bytes = blobs.read_range, blobs.free_bytes


async def test_a_kill_at_any_step_is_continued(
    ended: SqlResults,
    second: SqlResults,
    results_address: ResultsAddress,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each try is killed one step later than the one before, and the next one continues it."""
    monkeypatch.setattr(seal, "CLAIM_MS", -1)  # the claim of the killed process has expired
    before = await all_reads(second)
    blobs = FilesystemBlobs(results_address.blobs, durable=False)
    for at in range(200):
        dying = Dying(at)
        sealer = RowSealer(
            dying.wrap(ended._write), dying.wrap(ended._read), DyingBlobs(blobs, dying)
        )  # type: ignore[arg-type]
        try:
            await sealer.seal([RUN], COUNT)
        except Killed:
            assert await all_reads(second) == before, at
            unfinished = {blob for blob, done in await seals(second) if not done}
            assert {f"rows/{file.name}" for file in files(results_address)} <= unfinished
        else:
            break
    assert at > 20
    assert await all_reads(second) == before
    assert await hot_rows(second) == 0
    [file] = files(results_address)
    assert await seals(second) == [(f"rows/{file.name}", True)]


async def test_two_processes_make_one_file(
    ended: SqlResults,
    second: SqlResults,
    results_address: ResultsAddress,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With valid claims one waits for the other; with expired ones the later claim counts."""
    before = await all_reads(ended)
    monkeypatch.setattr(seal, "CLAIM_MS", -1)
    await asyncio.gather(*(store.seal_runs([RUN], 1) for store in (ended, second, ended)))
    while not all(done for _, done in await seals(ended)) or not files(results_address):
        await ended.seal_runs([RUN], 1)
    [file] = files(results_address)
    assert await seals(ended) == [(f"rows/{file.name}", True)]
    assert await all_reads(second) == before


async def test_a_claimed_run_is_left_to_its_process(
    ended: SqlResults, results_address: ResultsAddress
) -> None:
    [(number,)] = await query(ended, "SELECT number FROM results_runs")
    claim = await ended._write(lambda driver: seal.claim(driver, number, "first", 2**60))
    assert claim is not None
    await ended.seal_runs([RUN], 1)
    assert (files(results_address), await hot_rows(ended)) == ([], COUNT)


async def test_a_claim_that_is_repeated_is_granted(ended: SqlResults) -> None:
    """PostgreSQL repeats a transaction if the connection was lost while it was committed."""
    [(number,)] = await query(ended, "SELECT number FROM results_runs")
    claims = [
        await ended._write(lambda driver, u=unique: seal.claim(driver, number, u, 2**40))
        for unique in ("own", "own", "other")
    ]
    blob = f"rows/{RUN.lower()}-own.jsonl.zst"
    assert claims == [seal.SealClaim(number, RUN, blob)] * 2 + [None]


async def test_a_run_that_is_deleted_meanwhile_leaves_nothing(
    ended: SqlResults, results_address: ResultsAddress
) -> None:
    class Late(RowSealer):
        async def _remove_upserts(self, number: int) -> None:
            await super()._remove_upserts(number)
            await ended.delete_run(RUN)

    blobs = FilesystemBlobs(results_address.blobs, durable=False)
    await Late(ended._write, ended._read, blobs).seal([RUN], 1)
    assert files(results_address) == []
    await assert_empty(ended)


async def assert_empty(results: SqlResults) -> None:
    for table in ("runs", "attempts", "headers", "rows", "log", "upserts", "seals", "frames"):
        assert await query(results, f"SELECT * FROM results_{table}") == [], table


async def test_a_deleted_run_frees_its_file_at_once(
    ended: SqlResults, results_address: ResultsAddress
) -> None:
    await ended.seal_runs([RUN], 1)
    await ended.delete_run(RUN)
    assert files(results_address) == []
    assert await everything(ended) == []
    await assert_empty(ended)


async def test_a_run_can_be_deleted_without_its_file(
    ended: SqlResults, results_address: ResultsAddress
) -> None:
    await ended.seal_runs([RUN], 1)
    [file] = files(results_address)
    file.unlink()
    with pytest.raises(Unavailable, match=f"rows of run {RUN} cannot be read.*fyke db check"):
        await ended.page(RUN, NONE, offset=0, limit=10)
    await ended.delete_run(RUN)
    await assert_empty(ended)


@pytest.mark.parametrize("change", ["another byte", "cut off", "other rows"])
async def test_a_damaged_file_is_not_read(
    ended: SqlResults, results_address: ResultsAddress, change: str
) -> None:
    await ended.seal_runs([RUN], 1)
    [file] = files(results_address)
    data = file.read_bytes()
    if change == "another byte":
        data = data[:40] + bytes([data[40] ^ 1]) + data[41:]
    elif change == "cut off":
        data = data[:40]
    else:
        frame = zstd_module().compress(b'{"n":0}\n')
        data = frame + data[len(frame) :]
    file.write_bytes(data)
    for attempt in range(2):
        with pytest.raises(Unavailable, match="cannot be read"):
            await ended.rows_after(RUN, NONE, position=attempt, limit=10)


async def test_rows_of_a_later_attempt_follow_those_in_the_file(ended: SqlResults) -> None:
    """The run starts again when its state was replaced by an older one."""
    await ended.seal_runs([RUN], 1)
    await ended.open_attempt(RUN, "d")
    rows = [upsert(b'{"n":300}', "7"), *plain(301), upsert(b'{"m":1}', "7")]
    await ended.commit([AttemptBatch(RUN, "d", rows)])
    await ended.close_attempt("d")
    await ended.seal_runs([RUN], 1)
    assert numbers(await everything(ended)) == list(range(302))
    [*_, merged, last] = await ended.page(RUN, HIDDEN, offset=190, limit=50)
    assert (merged.data, last.position, last.attempt_id) == (b'{"n":300,"m":1}', 302, "d")
    assert [row.position for row in await ended.rows_at(RUN, [301, 5])] == [301, 5]
    data = [merged.data, b'{"n":4}', last.data]
    assert await ended.data_at(RUN, [301, 5, 302], max_bytes=99) == data
    assert await ended.data_at(RUN, [301, 5, 302], max_bytes=len(data[0] + data[1])) == data[:2]
    block = await ended.block_after(RUN, NONE, position=300, limit=9)
    assert block.positions == [301, 302]


KEYED = {  # rows in the order of their pushes, by attempt
    "a": [b'{"n":1}', b"{}", b'{"z":{"inner":1},"n":2}'],
    "b": [b'{"y":1,"z":2}', b'{"":[],"a\\"":null}', b'{"n":3,"\\u0000":1}'],
    "c": [
        b"{%s}" % b",".join(b'"k%d":%d' % (n, n) for n in range(255)),
        b'{"k99":1,"\xc3\xa9":1}',
    ],
}


@pytest.mark.parametrize("hidden", ["", "a", "b", "ab", "bc", "abc"])
async def test_keys_are_those_of_the_visible_rows_in_order(
    results: SqlResults, hidden: str
) -> None:
    for attempt in "abc":
        await results.open_attempt(RUN, attempt)
    for row in range(3):
        for attempt, texts in KEYED.items():
            pushed = [PushedRow(text) for text in texts[row : row + 1] * 40]
            await results.commit([AttemptBatch(RUN, attempt, pushed)])
    await results.commit([AttemptBatch(RUN, "b", [upsert(b'{"u":1}', "1")])])
    await results.commit([AttemptBatch(RUN, "a", [upsert(b'{"late":1}', "1"), PushedRow(b"{}")])])
    for attempt in "abc":
        await results.close_attempt(attempt)
    assert await results.keys(RUN, frozenset(hidden)) is None
    await results.seal_runs([RUN], 1)
    rows = await everything(results, hidden=frozenset(hidden))
    expected = list(dict.fromkeys(key for row in rows for key in json.loads(row.data)))
    assert await results.keys(RUN, frozenset(hidden)) == expected
    assert ("late" in expected) == (not {"a", "b"} <= set(hidden)), "both have upserted that row"


async def test_keys_are_not_known_if_rows_follow_the_file(ended: SqlResults) -> None:
    await ended.seal_runs([RUN], 1)
    assert await ended.keys(RUN, NONE) == ["n"]
    assert await ended.keys("unknown", NONE) is None
    await ended.open_attempt(RUN, "d")
    await ended.commit([AttemptBatch(RUN, "d", plain(1))])
    assert await ended.keys(RUN, NONE) is None
    await ended.delete_run(RUN)
    assert await ended.keys(RUN, NONE) is None


@pytest.mark.parametrize("note", ["too many", "too wide", "too long", "no objects", "older"])
async def test_a_run_is_sealed_without_its_keys(
    results: SqlResults, monkeypatch: pytest.MonkeyPatch, note: str
) -> None:
    if note == "too many":
        monkeypatch.setattr(noted_keys, "MAX_KEYS", 3)
    if note == "too long":
        monkeypatch.setattr(noted_keys, "MAX_BYTES", 10)
    texts = {
        "too many": [b'{"k%d":1}' % n for n in range(4)],
        "too wide": [b"{%s}" % b",".join(b'"k%d":%d' % (n, n) for n in range(1000))],
        "too long": [b'{"%s":1}' % (b"k" * 11)],
        "no objects": [b"[1]"],
        "older": [b"{}"],
    }[note]
    await results.open_attempt(RUN, "a")
    for text in texts * 100:
        await results.commit([AttemptBatch(RUN, "a", [PushedRow(text)])])
    await results.close_attempt("a")
    await results.seal_runs([RUN], 1)
    if note == "older":
        assert await results.keys(RUN, NONE) == []
        await results._write(lambda driver: driver.run("UPDATE results_seals SET keys = NULL"))
    assert await results.keys(RUN, NONE) is None
    assert await hot_rows(results) == 0
    assert [row.data for row in await everything(results)] == texts * 100


async def test_rows_that_are_pushed_meanwhile_prevent_it(
    ended: SqlResults, results_address: ResultsAddress
) -> None:
    class Late(RowSealer):
        async def _remove_upserts(self, number: int) -> None:
            await super()._remove_upserts(number)
            await ended.open_attempt(RUN, "d")

        async def _give_up(self, claim: seal.SealClaim, *, for_good: bool = False) -> int:
            await ended.close_attempt("d")
            return await super()._give_up(claim, for_good=for_good)

    class Pushing(FilesystemBlobs):
        async def put_stream(self, name: str, chunks: Any) -> None:
            await super().put_stream(name, chunks)
            await ended.commit([AttemptBatch(RUN, "d", [upsert(b'{"n":300}', "7")])])
            await ended.totals(RUN, NONE)  # moves a journal

    blobs = Pushing(results_address.blobs, durable=False)
    await Late(ended._write, ended._read, blobs).seal([RUN], 1)
    assert (files(results_address), await seals(ended)) == ([], [])
    assert numbers(await everything(ended)) == list(range(301))
    await ended.seal_runs([RUN], 1)
    assert await hot_rows(ended) == 0
    assert numbers(await everything(ended)) == list(range(301))


async def test_a_commit_that_is_repeated_after_a_new_row_keeps_the_file(
    ended: SqlResults, results_address: ResultsAddress
) -> None:
    """PostgreSQL repeats a transaction if the connection was lost while it was committed."""
    repeated = False

    async def write(work: Callable[[Driver], Any]) -> Any:
        nonlocal repeated
        answer = await ended._write(work)
        if not repeated and await query(ended, "SELECT 1 FROM results_runs WHERE sealed > 0"):
            repeated = True
            await ended.open_attempt(RUN, "d")
            await ended.commit([AttemptBatch(RUN, "d", plain(300))])
            await ended.totals(RUN, NONE)  # moves a journal
            answer = await ended._write(work)
        return answer

    blobs = FilesystemBlobs(results_address.blobs, durable=False)
    await RowSealer(write, ended._read, blobs).seal([RUN], 1)
    assert repeated
    [file] = files(results_address)
    assert await seals(ended) == [(f"rows/{file.name}", True)]
    assert await hot_rows(ended) == 1
    assert numbers(await everything(ended)) == list(range(301))


@pytest.mark.parametrize("for_good", [False, True])
async def test_a_file_with_the_rows_is_not_given_up(
    ended: SqlResults, results_address: ResultsAddress, for_good: bool
) -> None:
    await ended.seal_runs([RUN], 1)
    before = await seals(ended)
    [(number,)] = await query(ended, "SELECT number FROM results_runs")
    blobs = FilesystemBlobs(results_address.blobs, durable=False)
    claim = seal.SealClaim(number, RUN, before[0][0])
    await RowSealer(ended._write, ended._read, blobs)._give_up(claim, for_good=for_good)
    assert await seals(ended) == before
    assert numbers(await everything(ended)) == list(range(COUNT))


async def test_a_changed_row_prevents_it(
    ended: SqlResults, results_address: ResultsAddress
) -> None:
    """The attempt is opened after the claim, and its second row merges into the copied first."""

    class Pushing(FilesystemBlobs):
        async def put_stream(self, name: str, chunks: Any) -> None:
            await super().put_stream(name, chunks)
            rows = [upsert(b'{"m":1}', "300")]
            await ended.commit([AttemptBatch(RUN, "d", rows)])
            await ended.totals(RUN, NONE)  # moves a journal
            await ended.close_attempt("d")

    class Late(RowSealer):
        async def _remove_upserts(self, number: int) -> None:
            await super()._remove_upserts(number)
            await ended.open_attempt(RUN, "d")
            await ended.commit([AttemptBatch(RUN, "d", [upsert(b'{"n":300}', "300")])])
            await ended.totals(RUN, NONE)

    blobs = Pushing(results_address.blobs, durable=False)
    await Late(ended._write, ended._read, blobs).seal([RUN], 1)
    assert (files(results_address), await hot_rows(ended)) == ([], 301)
    assert (await everything(ended))[-1].data == b'{"n":300,"m":1}'


async def test_a_file_without_the_rows_does_not_replace_them(
    ended: SqlResults, results_address: ResultsAddress
) -> None:
    before = await all_reads(ended)

    class Losing(FilesystemBlobs):
        async def put_stream(self, name: str, chunks: Any) -> None:
            await super().put_stream(name, chunks)
            [file] = files(results_address)
            file.write_bytes(b"\0" * file.stat().st_size)

    blobs = Losing(results_address.blobs, durable=False)
    with pytest.raises(Unavailable, match="has not the rows"):
        await RowSealer(ended._write, ended._read, blobs).seal([RUN], 1)
    assert await hot_rows(ended) == COUNT
    assert await all_reads(ended) == before


async def test_the_claim_is_kept_while_the_file_is_compared(
    ended: SqlResults, results_address: ResultsAddress, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading it takes long if it is large or far away."""

    class Stored(FilesystemBlobs):
        async def put_stream(self, name: str, chunks: Any) -> None:
            await super().put_stream(name, chunks)
            monkeypatch.setattr(sealing, "_RENEW_SECONDS", -1.0)
            monkeypatch.setattr(sealing, "_now_ms", lambda: 2**60)

    blobs = Stored(results_address.blobs, durable=False)
    await RowSealer(ended._write, ended._read, blobs).seal([RUN], 1)
    [(claimed_until,)] = await query(ended, "SELECT claimed_until FROM results_seals")
    assert claimed_until == 2**60 + seal.CLAIM_MS


@pytest.mark.parametrize("free_bytes", [(0,), (2**40, 0)])
async def test_a_full_disk_keeps_rows_in_the_database(
    ended: SqlResults,
    results_address: ResultsAddress,
    free_bytes: tuple[int, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sealing, "_CHECK_BYTES", 100)
    free = list(free_bytes)

    class Full(FilesystemBlobs):
        def free_bytes(self) -> int:
            return free.pop(0)

    blobs = Full(results_address.blobs, durable=False)
    with pytest.raises(Unavailable, match="see disk_floor_mb"):
        await RowSealer(ended._write, ended._read, blobs).seal([RUN], 1)
    assert (free, files(results_address), await seals(ended)) == ([], [], [])
    await ended.seal_runs([RUN], 1)
    assert await hot_rows(ended) == 0


async def test_a_run_that_cannot_be_read_does_not_hold_up_others(
    ended: SqlResults, results_address: ResultsAddress, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ended.open_attempt("other", "o")
    await ended.commit([AttemptBatch("other", "o", plain(1, 2))])
    await ended.close_attempt("o")
    next_frame = seal.next_frame

    def failing(driver: Driver, number: int, position: int, last: int) -> Any:
        if last == COUNT:
            raise OSError("damaged page")
        return next_frame(driver, number, position, last)

    monkeypatch.setattr(seal, "next_frame", failing)
    with pytest.raises(OSError, match="damaged page"):
        await ended.seal_runs([RUN, "other"], 1)
    assert [file.name[:5] for file in files(results_address)] == ["other"]


async def test_the_deletion_is_on_disk_before_the_file_goes(
    ended: SqlResults, results_address: ResultsAddress, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite: the WAL is flushed. PostgreSQL: the transaction waits for the disk."""
    await ended.seal_runs([RUN], 1)
    flushed: list[bool] = []
    driver_type = type(ended._writer._driver)

    def flush_commit(driver: Driver) -> None:
        flushed.append(files(results_address) != [])
        flush(driver)

    flush = driver_type.flush_commit  # type: ignore[union-attr]
    monkeypatch.setattr(driver_type, "flush_commit", flush_commit)
    await ended.delete_run(RUN)
    assert flushed == [True]
    await ended.delete_run(RUN)
    assert flushed == [True]


async def test_a_file_that_cannot_be_deleted_does_not_stop_deletions(
    ended: SqlResults, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ended.seal_runs([RUN], 1)

    async def failing(_: Any, name: str) -> None:
        raise PermissionError(name)

    monkeypatch.setattr(FilesystemBlobs, "delete", failing)
    await ended.delete_run(RUN)
    await assert_empty(ended)


async def test_a_row_of_several_lines_keeps_its_run_in_the_database(
    results: SqlResults, results_address: ResultsAddress
) -> None:
    await results.open_attempt(RUN, "a")
    await results.commit([AttemptBatch(RUN, "a", [PushedRow(b'{\n"n":1}')])])
    await results.close_attempt("a")
    for _ in range(2):
        await results.seal_runs([RUN], 1)
        assert await hot_rows(results) == 1
    assert files(results_address) == []
    assert await seals(results) == [("", True)]
    await results.delete_run(RUN)
    await assert_empty(results)


READS: dict[str, Callable[..., Any]] = {
    "rows_after": lambda *store: read.rows_after(*store, RUN, HIDDEN, position=50, limit=99),
    "block_after": lambda *store: read.block_after(*store, RUN, NONE, position=0, limit=9999),
    "rows_at": lambda *store: read.rows_at(*store, RUN, [299, 1, 65]),
    "data_at": lambda *store: read.data_at(*store, RUN, [299, 1, 65], max_bytes=2**20),
    "page": lambda *store: read.page(*store, RUN, HIDDEN, HiddenPositions(), offset=100, limit=99),
}


@pytest.mark.parametrize("kind", READS)
async def test_a_read_is_right_if_the_run_is_sealed_between_its_statements(
    ended: SqlResults, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read, "SHALLOW", 0)
    loop = asyncio.get_running_loop()

    class Interrupted:
        """Seals the run after the first statement."""

        def __init__(self, driver: Driver) -> None:
            self._driver, self.joined, self._sealed = driver, driver.joined, False

        def query(self, *arguments: Any) -> list[Any]:
            return self._after(self._driver.query(*arguments))

        def query_within(self, *arguments: Any) -> list[Any]:
            return self._after(self._driver.query_within(*arguments))

        def queries(self, *statements: Any) -> list[list[Any]]:
            return self._driver.queries(*statements)

        def _after(self, rows: list[Any]) -> list[Any]:
            if not self._sealed:
                self._sealed = True
                asyncio.run_coroutine_threadsafe(ended.seal_runs([RUN], 1), loop).result(30)
            return rows

    expected = await ended._read(lambda driver: READS[kind](driver, ended._frames))
    assert len(expected) > 2
    found = await ended._read(lambda driver: READS[kind](Interrupted(driver), ended._frames))
    assert await hot_rows(ended) == 0
    if isinstance(found, RowBlock):
        assert found.texts() == expected.texts()[: len(found)]
    else:
        assert found == expected


async def test_frames_are_read_in_the_event_loop_once_they_are_cached(ended: SqlResults) -> None:
    inline = await ended.inline()
    if inline is None:
        return  # PostgreSQL
    await ended.seal_runs([RUN], 1)
    with pytest.raises(NotInline):
        await inline.page(RUN, HIDDEN, offset=10, limit=20)
    page = await ended.page(RUN, HIDDEN, offset=10, limit=20)
    assert await inline.page(RUN, HIDDEN, offset=10, limit=20) == page
