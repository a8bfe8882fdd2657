"""Finds the secrets in the inputs of runs, and hides them in texts about the runs.

For copies that are given to others: the archive that explains a run, and the answers to agents.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from fyke.contracts.parsing import ParserPool
from fyke.contracts.state import Storage, Transaction
from fyke.domain.access import own_run
from fyke.domain.runs.hidden_input import InputSecrets, masker_of, shown_input, unknown_secrets
from fyke.domain.runs.subtask_reader import SubtaskView
from fyke.domain.runs.summary import MAX_INPUT_CHARS, summary_of_text
from fyke.domain.workers.secret_inputs import HIDDEN, find_secrets, secret_names
from fyke.errors import TooComplex
from fyke.model.account import Caller
from fyke.model.run import Run
from fyke.model.worker import Version


class InputSecretFinder:
    """The secrets in the inputs of all runs; each account can ask only for its own."""

    def __init__(self, storage: Storage, parsers: ParserPool) -> None:
        self._storage = storage
        self._parsers = parsers

    async def of_run(self, caller: Caller, run_id: str) -> InputSecrets:
        """Raises ``RunNotFound``, also for another account's run."""

        def work(tx: Transaction) -> tuple[Run, Version | None]:
            run = own_run(tx, caller, run_id)
            return run, tx.workers.version(run.worker_id, run.version)

        run, version = await self._storage.read(work)
        return await self.of_input(caller, run.input_json, version)

    async def of_input(
        self, caller: Caller, input_json: str, version: Version | None
    ) -> InputSecrets:
        """The secrets in an input of ``version``, which is None if it was deleted."""
        schema, declared = (version.input_schema, version.secrets) if version else ("", ())
        try:
            names = await self._parsers.run(caller.account_id, secret_names, schema, declared)
            found = await self._parsers.run(caller.account_id, find_secrets, input_json, names)
        except TooComplex:
            return unknown_secrets()
        if found is None:
            return unknown_secrets()
        masker = await asyncio.to_thread(masker_of, found.values)
        return InputSecrets(names, masker, found.others)

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
        A text is hidden as a whole if the secrets are not known. Raises ``RunNotFound``.
        """
        hidden = [text for _, text in texts]
        for run_id in dict.fromkeys(run_id for run_id, _ in texts):
            secrets = await self.of_run(caller, run_id)
            places = [place for place, (of_run, _) in enumerate(texts) if of_run == run_id]
            of_run = await asyncio.to_thread(_hidden, [hidden[place] for place in places], secrets)
            for place, text in zip(places, of_run, strict=True):
                hidden[place] = text
        return hidden

    async def subtasks(
        self, views: Sequence[SubtaskView], secrets: InputSecrets
    ) -> list[SubtaskView]:
        """The subtasks with their inputs in one line without the secrets."""
        return await asyncio.to_thread(_with_safe_summaries, views, secrets)


def _hidden(texts: Sequence[str], secrets: InputSecrets) -> list[str]:
    if not secrets.known:
        return [HIDDEN if text else "" for text in texts]
    return [secrets.masker.text(text) for text in texts]


def _with_safe_summaries(views: Sequence[SubtaskView], secrets: InputSecrets) -> list[SubtaskView]:
    return [replace(view, summary=_safe_summary(view, secrets)) for view in views]


def _safe_summary(view: SubtaskView, secrets: InputSecrets) -> str:
    text = view.subtask.input_json
    if len(text) > MAX_INPUT_CHARS:
        return view.summary  # only its size
    if not secrets.known:
        return HIDDEN
    # masked before it is cut
    return summary_of_text(shown_input(text, secrets).decode())
