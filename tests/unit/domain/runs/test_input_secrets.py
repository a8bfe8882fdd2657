"""Texts about runs are given to others without the secrets in the inputs of these runs."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fyke.domain.runs import input_secrets
from fyke.domain.runs.input_secrets import InputSecretFinder
from fyke.errors import RunNotFound, TooComplex
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

    async def run(self, _account: str, function: Any, *arguments: Any) -> Any:
        if function.__name__ in self.refuses:
            raise TooComplex("too long")
        return function(*arguments)


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


async def test_a_run_of_another_account_is_not_found(parsers: Parsers) -> None:
    run = records.run("b", "w", input_json=INPUT)
    with pytest.raises(RunNotFound):
        await finder_of(parsers, run).hide(caller(), [(run.id, KEY)])


@pytest.mark.parametrize("refused", ["secret_names", "find_secrets"])
async def test_a_text_is_hidden_as_a_whole_if_the_secrets_are_not_known(
    parsers: Parsers, refused: str
) -> None:
    run = records.run("a", "w", input_json=INPUT)
    parsers.refuses.add(refused)
    finder = finder_of(parsers, run)
    assert await finder.hide(caller(), [(run.id, "a text"), (run.id, "")]) == ["***", ""]
    secrets = await finder.of_run(caller(), run.id)
    assert await finder.input(caller(), INPUT, secrets) is None


async def test_an_input_is_shown_without_its_secrets_or_not_at_all(parsers: Parsers) -> None:
    run = records.run("a", "w", input_json=INPUT)
    finder = finder_of(parsers, run)
    secrets = await finder.of_run(caller(), run.id)
    shown = await finder.input(caller(), INPUT, secrets)
    assert shown is not None and KEY.encode() not in shown and b"see ***" in shown
    parsers.refuses.add(input_secrets.shown_input.__name__)
    assert await finder.input(caller(), INPUT, secrets) is None


def caller() -> Caller:
    return Caller("a", "first", operator=False, user_id="u", key_id="k")
