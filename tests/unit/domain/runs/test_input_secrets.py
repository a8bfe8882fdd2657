"""Texts about runs are given to others without the secrets in the inputs of these runs."""

from __future__ import annotations

import asyncio
import json
import pickle
from typing import Any

import pytest

from fyke.domain.runs import input_secrets
from fyke.domain.runs.hidden_input import secrets_of
from fyke.domain.runs.input_secrets import InputSecretFinder
from fyke.domain.runs.subtask_reader import SubtaskView
from fyke.domain.runs.summary import MAX_INPUT_CHARS
from fyke.errors import RateLimited, RunNotFound, TooComplex
from fyke.model.account import Caller
from fyke.model.run import Run
from support import records

pytestmark = pytest.mark.anyio
KEY = "sk_live_abc_123"
INPUT = json.dumps({"parameters": {"custom": {"api_key": KEY, "note": f"see {KEY}"}}})


class Parsers:
    """Runs in place what a pool runs in its processes; ``refuses`` the functions that it names."""

    def __init__(self) -> None:
        self.refuses: set[str] = set()
        self.pauses = False
        self.most_at_once = 0
        self._at_once = 0

    async def run(self, _account: str, function: Any, *arguments: Any) -> Any:
        if function.__name__ in self.refuses:
            raise TooComplex("too long")
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        if self.pauses:
            await asyncio.sleep(0)
        self._at_once -= 1
        return pickle.loads(pickle.dumps(function(*arguments)))


class State:
    """The runs of one account, whose Workers declare nothing."""

    def __init__(self, *runs: Run) -> None:
        self.runs = self
        self.workers = self
        self._of = {run.id: run for run in runs}

    async def read(self, work: Any) -> Any:
        return work(self)

    def get(self, run_id: str) -> Run | None:
        return self._of.get(run_id)

    def version(self, *_: str) -> None:
        return None


@pytest.fixture
def parsers() -> Parsers:
    return Parsers()


def finder_of(parsers: Parsers, *runs: Run) -> InputSecretFinder:
    return InputSecretFinder(State(*runs), parsers)  # type: ignore[arg-type]


async def test_texts_of_several_runs_keep_their_order(parsers: Parsers) -> None:
    one, two = records.run("a", "w", input_json=INPUT), records.run("a", "w", input_json="{}")
    texts = [(one.id, f"sent {KEY}"), (two.id, f"sent {KEY}"), (one.id, "nothing"), (one.id, KEY)]
    hidden = await finder_of(parsers, one, two).hide(caller(), texts)
    assert hidden == ["sent ***api_key***", f"sent {KEY}", "nothing", "***api_key***"]


async def test_texts_about_unknown_runs_are_hidden_as_wholes(parsers: Parsers) -> None:
    own, run = records.run("a", "w", input_json=INPUT), records.run("b", "w", input_json="{}")
    finder = finder_of(parsers, own, run)
    texts = [(run.id, "of another"), (own.id, KEY), ("gone", "deleted")]
    assert await finder.hide(caller(), texts) == ["***", "***api_key***", "***"]
    with pytest.raises(RunNotFound):
        await finder.of_run(caller(), run.id)


async def test_a_text_is_hidden_as_a_whole_if_the_secrets_are_not_known(parsers: Parsers) -> None:
    run = records.run("a", "w", input_json=INPUT)
    parsers.refuses |= {"secrets_of", "hidden_texts"}
    finder = finder_of(parsers, run)
    assert await finder.hide(caller(), [(run.id, "a text"), (run.id, "")]) == ["***", ""]
    secrets = await finder.of_run(caller(), run.id)
    assert await finder.input(caller(), INPUT, secrets) is None


async def test_a_request_waits_for_the_one_before_it(parsers: Parsers) -> None:
    run = records.run("a", "w", input_json=INPUT)
    finder = finder_of(parsers, run)
    requests = [finder.hide(caller(), [(run.id, KEY)]) for _ in range(3)]
    parsers.pauses = True
    assert await asyncio.gather(*requests) == [["***api_key***"]] * 3
    assert parsers.most_at_once == 1


async def test_an_account_has_few_requests_that_wait(parsers: Parsers) -> None:
    run = records.run("a", "w", input_json=INPUT)
    finder = finder_of(parsers, run)
    parsers.pauses = True
    requests = [
        finder.hide(caller(), [(run.id, KEY)]) for _ in range(input_secrets.MAX_WAITING + 1)
    ]
    answers = await asyncio.gather(*requests, return_exceptions=True)
    assert [type(one) for one in answers].count(RateLimited) == 1


async def test_lines_about_subtasks_have_no_secrets(parsers: Parsers) -> None:
    fields = json.dumps({"api_key": KEY, "note": f"see {KEY}"})
    inputs = [fields, json.dumps({"note": "x" * MAX_INPUT_CHARS}), "{}"]
    views = [
        SubtaskView(records.subtask("r", number, input_json=text), f"line {number}", [])
        for number, text in enumerate(inputs)
    ]
    finder = finder_of(parsers)
    shown = await finder.subtasks(caller(), views, secrets_of(INPUT, "", ()))
    lines = [view.summary for view in shown]
    assert lines == ["api_key: ***; note: see ***api_key***", "line 1", ""]
    parsers.refuses.add("shown_summaries")
    shown = await finder.subtasks(caller(), views, secrets_of(INPUT, "", ()))
    assert [view.summary for view in shown] == ["***", "line 1", "***"]


async def test_an_input_is_shown_without_its_secrets_or_not_at_all(parsers: Parsers) -> None:
    run = records.run("a", "w", input_json=INPUT)
    finder = finder_of(parsers, run)
    secrets = await finder.of_run(caller(), run.id)
    shown = await finder.input(caller(), INPUT, secrets)
    assert shown is not None and KEY.encode() not in shown and b"see ***" in shown
    parsers.refuses.add("shown_input")
    assert await finder.input(caller(), INPUT, secrets) is None


def caller() -> Caller:
    return Caller("a", "first", operator=False, user_id="u", key_id="k")
