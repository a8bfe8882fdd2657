"""Which values count as missing, and how many rows of a run are checked."""

from __future__ import annotations

import json

import msgspec
import pytest

from fyke.domain.alerts import fields
from fyke.domain.alerts.fields import count_fields, is_empty
from fyke.model.alert import FieldFacts
from support.memory import MemoryResults

pytestmark = pytest.mark.anyio
NONE: frozenset[str] = frozenset()


@pytest.mark.parametrize(
    ("text", "empty"),
    [
        ("null", True), ('""', True), ('"  \\n"', True), ("[]", True), ("{ }", True), ("[ ]", True),
        ("0", False), ("false", False), ('"0"', False), ("[null]", False), ('{"a":null}', False),
        ('"\\u00a0x"', False),
    ],
)  # fmt: skip
def test_values_that_count_as_empty(text: str, empty: bool) -> None:
    assert is_empty(msgspec.Raw(text.encode())) is empty


async def test_every_row_of_a_small_run_is_checked() -> None:
    results = MemoryResults()
    rows = [{"price": 1, "name": "a"}, {"price": None, "name": ""}, {"name": "b"}, {"price": [1]}]
    results.push("r", *(json.dumps(row).encode() for row in rows))
    facts = await count_fields(results, "r", NONE, {"price", "name", "absent"})
    assert facts == {
        "price": FieldFacts(4, 2, 4),
        "name": FieldFacts(4, 2, 4),
        "absent": FieldFacts(4, 4, 4),
    }
    assert await count_fields(results, "none", NONE, {"price"}) == {"price": FieldFacts(0, 0, 0)}


async def test_hidden_rows_do_not_count() -> None:
    results = MemoryResults()
    results.push("r", b'{"price":1}', attempt_id="visible")
    results.push("r", b"{}", attempt_id="failed")
    facts = await count_fields(results, "r", frozenset({"failed"}), {"price"})
    assert facts["price"] == FieldFacts(1, 0, 1)


async def test_the_checked_rows_of_a_large_run_are_evenly_distributed() -> None:
    results = MemoryResults()
    # the second half lacks the field: the first rows alone would not show that
    rows = [{"price": 1} if number < 5000 else {} for number in range(10_000)]
    results.push("r", *(json.dumps(row).encode() for row in rows))
    facts = (await count_fields(results, "r", NONE, {"price"}, max_rows=400))["price"]
    assert (facts.checked_rows, facts.missing, facts.rows) == (400, 200, 10_000)


async def test_the_check_ends_at_a_number_of_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fields, "MAX_BYTES", 100_000)
    results = MemoryResults()
    results.push("r", *(json.dumps({"text": "x" * 10_000}).encode() for _ in range(200)))
    facts = (await count_fields(results, "r", NONE, {"text"}))["text"]
    assert 10 <= facts.checked_rows <= 10 + fields.FIRST_CHUNK
    assert (facts.missing, facts.rows) == (0, 200)


async def test_a_row_that_is_not_an_object_lacks_the_field() -> None:
    results = MemoryResults()
    results.push("r", b"{broken", b'{"price":1}')
    assert (await count_fields(results, "r", NONE, {"price"}))["price"] == FieldFacts(2, 1, 2)
