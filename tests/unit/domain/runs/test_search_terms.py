from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from fyke.domain.runs.search import parse_cursor
from fyke.domain.runs.search_terms import SearchTerms, moment, parse_search
from fyke.errors import InvalidFields, InvalidRequest, UnknownFilter
from fyke.model.run import Origin, Outcome, RunState
from fyke.model.run_list import ListCursor, RunSearch
from support.memory import MemoryStorage, a_worker, add_account, caller_of

ID = "01KJXSR49GEMBEZZ5FZDPVNBWK"
DAY = 86_400_000
# a worker of another account that was public and has runs
GONE = a_worker("01OTHER", name="once")


def parse(zone: str = "UTC", **words: str) -> RunSearch:
    storage = MemoryStorage()
    account = add_account(storage)
    worker = a_worker(account.id, id=ID)
    tx: Any = storage.tx
    tx.workers.rows[worker.id] = worker
    tx.run_lists = SimpleNamespace(workers=lambda account_id: [GONE.id])
    tx.workers.rows[GONE.id] = GONE
    tx.workers.by_path = lambda owner, name: worker if name == worker.name else None
    return parse_search(tx, caller_of(account), SearchTerms(**words), zone)


def test_an_empty_search_matches_all_runs() -> None:
    assert parse() == RunSearch()
    assert parse(state=" , ", error="  ", run=" ") == RunSearch()


def test_terms_are_parsed() -> None:
    found = parse(
        state="failed, Running",
        outcome="timeout",
        worker="acme/prices",
        task=ID,
        origin="web,schedule",
        version="v1.0.2",
        since="2026-11-01",
        until="2026-11-24",
        error=" KeyError ",
        run="01kjx",
    )
    assert found == RunSearch(
        states=(RunState.FAILED, RunState.RUNNING, RunState.ENDING),
        outcomes=(Outcome.TIMEOUT,),
        worker_id=ID,
        task_id=ID,
        origins=(Origin.WEB, Origin.SCHEDULE),
        version="v1.0.2",
        created_from=1_793_491_200_000,
        created_until=1_793_491_200_000 + 24 * DAY,
        error="KeyError",
        run_id="01KJX",
    )


def test_a_worker_that_is_no_longer_visible_is_found_by_its_runs() -> None:
    assert parse(worker=GONE.id).worker_id == GONE.id
    assert parse(worker="acme~once").worker_id == GONE.id
    with pytest.raises(UnknownFilter, match="worker: unknown worker"):
        parse(worker="01KJXSR49GEMBEZZ5FZDPVNBWZ")
    with pytest.raises(InvalidFields, match="worker: unknown worker") as caught:
        parse(worker="acme/never", version="x", run="OOO")
    assert type(caught.value) is InvalidFields, "not only the worker is wrong"


def test_active_means_every_state_that_is_not_terminal() -> None:
    states = parse(state="active,ready").states
    assert set(states) == {state for state in RunState if not state.terminal}
    assert len(states) == 4


def test_all_errors_are_reported_with_their_fields() -> None:
    with pytest.raises(InvalidFields) as caught:
        parse(
            state="done", outcome="bad", worker="acme/absent", task="x", origin="mail",
            since="yesterday", until="2026-13-01", error="e" * 201, run="O",
        )  # fmt: skip
    fields = [problem.field for problem in caught.value.problems]
    assert fields == [
        "state", "outcome", "worker", "task", "origin", "from", "until", "error", "run",
    ]  # fmt: skip
    assert "use ready, running" in caught.value.details[0]
    with pytest.raises(InvalidFields, match="until must be later than from"):
        parse(since="2026-11-24", until="2026-11-23")


@pytest.mark.parametrize(
    ("typed", "zone", "expected"),
    [
        ("1793491200", "UTC", 1_793_491_200_000),
        ("2026-11-01", "UTC", 1_793_491_200_000),
        ("20261101", "UTC", 1_793_491_200_000),
        ("2026-11-01", "Asia/Kathmandu", 1_793_491_200_000 - (5 * 60 + 45) * 60_000),
        ("2026-11-01T02:30", "UTC", 1_793_491_200_000 + 150 * 60_000),
        ("2026-11-01T02:30+02:00", "Asia/Tokyo", 1_793_491_200_000 + 30 * 60_000),
        # the day on which Berlin has 25 hours
        ("2026-10-25", "Europe/Berlin", 1_792_879_200_000),
        ("2026-10-26", "Europe/Berlin", 1_792_879_200_000 + 25 * 3_600_000),
        ("2026-11-01", "No/Where", 1_793_491_200_000),
    ],
)
def test_times_are_parsed_in_the_zone(typed: str, zone: str, expected: int) -> None:
    assert moment(typed, "from", zone, now=0) == expected


def test_a_time_may_be_relative_to_now() -> None:
    now = 1_793_491_200_000
    for typed, length in (("30m", DAY // 48), ("24h", DAY), ("7D", 7 * DAY), (" 0d ", 0)):
        assert moment(typed, "from", "UTC", now=now) == now - length
    for typed in ("h", "-1h", "1w", "1.5h", "999999999d"):
        with pytest.raises(InvalidRequest, match="is not a time"):
            moment(typed, "from", "UTC", now=now)


@pytest.mark.parametrize(
    "typed", ["0", "9" * 15, "-5", "24.11.2026", "2026-11-24T25:00", "9999-12-31T"]
)
def test_an_invalid_time_is_refused(typed: str) -> None:
    with pytest.raises(InvalidRequest, match=r"until: .* is not a time; write a day as"):
        moment(typed, "until", "UTC", now=0, whole_day=True)


def test_a_cursor_is_parsed() -> None:
    place = ListCursor(1_700_000_000_000, ID)
    assert parse_cursor(place.text()) == place
    for broken in ("", "12", f"x-{ID}", f"5-{ID}x", f"{'9' * 16}-{ID}"):
        with pytest.raises(InvalidRequest, match="cursor: use next_cursor"):
            parse_cursor(broken)
