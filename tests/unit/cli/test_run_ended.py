"""Reason and hint in ``fyke run show``."""

from __future__ import annotations

import msgspec

from fyke.cli.run_ended import ending_data, ending_fields
from fyke.reasons import Hint, HintCode, ReasonCode
from fyke.wire.fyke.runs import HintItem, RunSummary

HINT = HintItem.of(Hint(HintCode.OUT_OF_MEMORY))


def summary(reason_code: str, hint: HintItem | None, duration: float = 65.0) -> RunSummary:
    return RunSummary(
        slug="R1",
        state="failed",
        outcome="",
        reason="",
        reason_code=reason_code,
        reason_params={"memory_mb": 512} if reason_code else {},
        worker_slug="W1",
        version="v1.0.1",
        results=0,
        hidden=0,
        usage="0",
        traffic=0,
        created_at=1,
        started_at=1,
        finished_at=2,
        duration=duration,
        hint=hint,
        errors=[],
    )


def test_an_ended_run_has_a_reason_and_a_hint() -> None:
    run = summary(ReasonCode.OUT_OF_MEMORY.value, HINT)
    assert ending_fields(run) == [
        ("reason code", "out_of_memory"),
        ("likely cause", HINT.cause),
        ("next step", HINT.next_step),
    ]
    assert ending_data(run) == {
        "reason_code": "out_of_memory",
        "reason_params": {"memory_mb": 512},
        "hint": msgspec.to_builtins(HINT),
    }


def test_a_run_without_a_reason_has_empty_members() -> None:
    run = summary("", None)
    assert ending_fields(run) == []
    assert ending_data(run) == {"reason_code": "", "reason_params": {}, "hint": None}
