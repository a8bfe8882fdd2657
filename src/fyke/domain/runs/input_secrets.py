"""Finds the secrets in the inputs of runs, and hides them in texts about the runs.

For copies that are given to others: the archive that explains a run, and the answers to agents.
Inputs and texts are read in parser processes only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from fyke.contracts.parsing import ParserPool
from fyke.contracts.state import Storage, Transaction
from fyke.domain.access import own_run
from fyke.domain.runs.hidden_input import (
    InputSecrets,
    all_hidden,
    hidden_texts,
    secrets_of,
    shown_input,
    shown_summaries,
    unknown_secrets,
)
from fyke.domain.runs.subtask_reader import SubtaskView
from fyke.domain.runs.summary import MAX_INPUT_CHARS
from fyke.errors import RateLimited, RunNotFound, TooComplex
from fyke.kit.turns import Turns
from fyke.model.account import Caller
from fyke.model.worker import Version

TURNS = 2  # calls of ``hide`` at the same time, each with an input in memory
MAX_WAITING = 20  # of one account, including the one in progress
_RETRY_SECONDS = 5


class InputSecretFinder:
    """The secrets in the inputs of all runs; each account can ask only for its own."""

    def __init__(self, storage: Storage, parsers: ParserPool) -> None:
        self._storage = storage
        self._parsers = parsers
        self._turns = Turns(TURNS, MAX_WAITING, lambda: RateLimited(_RETRY_SECONDS))

    async def of_run(self, caller: Caller, run_id: str) -> InputSecrets:
        """Raises ``RunNotFound``, also for another account's run."""
        return await self.of_input(caller, *await self._input(caller, run_id))

    async def of_input(
        self, caller: Caller, input_json: str, version: Version | None
    ) -> InputSecrets:
        """The secrets in an input of ``version``, which is None if it was deleted."""
        fields = _secret_fields(version)
        try:
            return await self._parsers.run(caller.account_id, secrets_of, input_json, *fields)
        except TooComplex:
            return unknown_secrets()

    async def input(self, caller: Caller, input_json: str, secrets: InputSecrets) -> bytes | None:
        """The input as JSON without its secrets; None if it is too large to hide them."""
        if not secrets.known:
            return None
        try:
            return await self._parsers.run(caller.account_id, shown_input, input_json, secrets)
        except TooComplex:
            return None

    async def hide(self, caller: Caller, texts: Sequence[tuple[str, str]]) -> list[str]:
        """Texts about runs without the secrets in their inputs; each comes after the id of its run.
        A text is hidden as a whole if the secrets are not known, or the caller has no such run.
        Waits for its turn; raises ``RateLimited`` if many of the account wait.
        """
        hidden = [text for _, text in texts]
        async with self._turns.turn(caller.account_id):
            for run_id in dict.fromkeys(run_id for run_id, _ in texts):
                places = [place for place, (of_run, _) in enumerate(texts) if of_run == run_id]
                of_run = await self._hidden(caller, run_id, [hidden[place] for place in places])
                for place, text in zip(places, of_run, strict=True):
                    hidden[place] = text
        return hidden

    async def _hidden(self, caller: Caller, run_id: str, texts: list[str]) -> list[str]:
        if not any(texts):
            return texts
        try:
            input_json, version = await self._input(caller, run_id)
            fields = _secret_fields(version)
            return await self._parsers.run(
                caller.account_id, hidden_texts, texts, input_json, *fields
            )
        except (RunNotFound, TooComplex):
            return all_hidden(texts)

    async def subtasks(
        self, caller: Caller, views: Sequence[SubtaskView], secrets: InputSecrets
    ) -> list[SubtaskView]:
        """The subtasks with their inputs in one line without the secrets."""
        small = [view for view in views if len(view.subtask.input_json) <= MAX_INPUT_CHARS]
        inputs = [view.subtask.input_json for view in small]  # of the others only the size is shown
        try:
            lines = await self._parsers.run(caller.account_id, shown_summaries, inputs, secrets)
        except TooComplex:
            lines = all_hidden(inputs)
        shown = {view.subtask.ordinal: line for view, line in zip(small, lines, strict=True)}
        return [
            replace(view, summary=shown.get(view.subtask.ordinal, view.summary)) for view in views
        ]

    async def _input(self, caller: Caller, run_id: str) -> tuple[str, Version | None]:
        def work(tx: Transaction) -> tuple[str, Version | None]:
            run = own_run(tx, caller, run_id)
            return run.input_json, tx.workers.version(run.worker_id, run.version)

        return await self._storage.read(work)


def _secret_fields(version: Version | None) -> tuple[str, tuple[str, ...]]:
    """The input schema of a version, and the names that it declares."""
    return (version.input_schema, version.secrets) if version else ("", ())
