"""The input with which a form begins."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fyke.domain.forms.service import RunForms
from fyke.domain.runs.input_secrets import InputSecretFinder
from fyke.domain.runs.transitions import Rules
from fyke.model.billing import Prices
from fyke.parsing.pools import ThreadPool
from support import records
from support.prepared import state_in
from support.published import ALICE, PublishedState
from support.stores import sqlite_stores

pytestmark = pytest.mark.anyio


async def test_the_secrets_of_a_task_that_names_a_tag_are_hidden(tmp_path: Path) -> None:
    state_in(tmp_path)
    with sqlite_stores(tmp_path, lambda _: None) as (storage, results):
        state = await PublishedState(storage).begin()
        worker = await state.worker()
        field = {"name": "entry", "type": "string", "title": "Password"}
        await state.version(worker, input_schema=json.dumps({"properties": [field]}))
        await state.do("workers.set_tag", worker.id, "stable", "v1.0.1")
        parsers = ThreadPool()
        rules = Rules(Prices(), frozenset(), 1000, "")
        forms = RunForms(storage, rules, parsers, InputSecretFinder(storage, parsers))
        shown = {}
        for version in ("", "v1.0.1", "stable", "gone"):
            saved = json.dumps({"entry": "hunter2-hunter2", "page": 7})
            task = records.task(ALICE.account_id, worker.id, version=version, input_json=saved)
            await state.do("tasks.add", task)
            start = await forms.initial_input(ALICE, worker.id, task=task.id)
            shown[version] = (await forms.without_secrets(ALICE, worker.id, start)).value.custom
        hidden = {"entry": "***", "page": 7}
        assert shown == {"": hidden, "v1.0.1": hidden, "stable": hidden, "gone": {}}
        await results.close()
        await storage.close()
