"""Secrets of an attempt are masked in rows, upsert markers, headers and log lines."""

from __future__ import annotations

import asyncio
import json

import pytest

from fyke.domain.results import intake
from fyke.domain.results.caps import LINE_CUT, LOG_LINE_BYTES, cut_line
from fyke.domain.results.redaction import mask_line
from fyke.domain.secrets.masking import Masker
from fyke.errors import StaleLease
from fyke.model.log import LogType
from fyke.model.results import UPSERT_KEY, UPSERT_VALUE, AttemptBatch, Header
from support.blocking_results import BlockableResults, running

pytestmark = pytest.mark.anyio

VALUE = "canary: p@ss wörd"


def batches_of(results: BlockableResults) -> list[AttemptBatch]:
    return [batch for batches in results.batches for batch in batches]


async def test_everything_that_is_stored_is_masked() -> None:
    results = BlockableResults()
    async with running(results) as taking:
        attempt = await taking.open("run", "a", "7")
        attempt.masker = Masker({"LOGIN": VALUE})
        await attempt.set_headers([Header(f"of {VALUE}", f"k {VALUE}", "text")])
        await attempt.push(json.dumps({f"k {VALUE}": [VALUE]}).encode())
        await attempt.push(json.dumps({UPSERT_KEY: VALUE, UPSERT_VALUE: VALUE, "n": 1}).encode())
        await attempt.push(VALUE.encode())
        large = {"text": "x" * intake.DECODE_IN_THREAD_BYTES + VALUE}
        await attempt.push(json.dumps(large).encode())
        attempt.log(LogType.INFO, f"signed in with {VALUE}")
        attempt.log(LogType.ERROR, "x" * 16_375 + VALUE)
        attempt.log(LogType.WARN, f"ours about {VALUE}", system=True)
        await attempt.close()
        assert attempt.masker is None
    found = batches_of(results)
    stored = [row for batch in found for row in batch.rows]
    assert stored[0].data == b'{"k ***LOGIN***":["***LOGIN***"]}'
    assert (stored[1].upsert_key, stored[1].upsert_value) == ("***LOGIN***", "***LOGIN***")
    assert stored[2].data == b'{"__raw":"***LOGIN***"}'
    assert stored[3].data.endswith(b'x***LOGIN***"}')
    [header] = [item for batch in found for item in batch.headers or []]
    assert (header.label, header.key) == ("of ***LOGIN***", "k ***LOGIN***")
    lines = [line.content for batch in found for line in batch.log]
    assert lines[0] == "signed in with ***LOGIN***" and lines[2] == "ours about ***LOGIN***"
    assert lines[1].startswith("xxx"), "cut after the mask"
    assert "canary" not in repr((stored, header, lines))


async def test_a_secret_in_the_name_of_a_host_is_masked() -> None:
    async with running(BlockableResults()) as taking:
        attempt = await taking.open("run", "a", "7")
        attempt.masker = Masker({"LOGIN": "Canary-ABCD"})
        told = attempt.mask("Canary-ABCD: canary-abcd.evil.example has no address")
        assert told == "***LOGIN***: ***LOGIN***.evil.example has no address"
        await attempt.close()


@pytest.mark.parametrize(
    "value", ["tiny-1", VALUE, pytest.param("v" * 9000, marks=pytest.mark.long)]
)
def test_a_cut_line_contains_no_start_of_a_secret(value: str) -> None:
    masker = Masker({"LOGIN": value})
    for count in (1, 2, 3, 500, 5000):
        for shift in range(0, len(value) + 20, 1 + len(value) // 9):
            line = "." * shift + value * count + "." * 40_000
            masked = cut_line(mask_line(masker, line))
            assert len(masked.encode()) <= LOG_LINE_BYTES and masked.endswith(LINE_CUT)
            assert not set(masked.removesuffix(LINE_CUT)) & set(value) - set(".*LOGIN ")
            line = value * count + "y"
            masked = cut_line(mask_line(masker, line))
            assert not set(masked.removesuffix(LINE_CUT)) & set(value) - set(".*LOGIN y")


async def test_secrets_of_one_attempt_are_not_masked_in_others() -> None:
    results = BlockableResults()
    async with running(results) as taking:
        mine, theirs = await taking.open("run", "a", ""), await taking.open("other", "b", "")
        mine.masker = Masker({"LOGIN": VALUE})
        await asyncio.gather(*(item.push(json.dumps(VALUE).encode()) for item in (mine, theirs)))
    rows = {attempt: json.loads(data) for _, attempt, data in results.stored}
    assert rows == {"a": {"value": "***LOGIN***"}, "b": {"value": VALUE}}


async def test_a_row_that_is_decoded_at_the_end_is_not_stored_unmasked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    results = BlockableResults()
    monkeypatch.setattr(intake, "DECODE_IN_THREAD_BYTES", 1)
    async with running(results) as taking:
        attempt = await taking.open("run", "a", "")
        attempt.masker = Masker({"LOGIN": VALUE})
        push = asyncio.create_task(attempt.push(json.dumps([VALUE] * 2000).encode()))
        await asyncio.sleep(0)
        attempt.discard()
        with pytest.raises(StaleLease):
            await push
    assert results.stored == []
