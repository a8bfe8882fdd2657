from __future__ import annotations

import pytest

from fyke.domain.access import existing_run, own_run
from fyke.errors import RunNotFound
from fyke.kit.ids import new_ulid
from support.memory import MemoryStorage, a_run, add_account, caller_of


def test_another_accounts_run_is_not_found_with_the_same_error():
    storage = MemoryStorage()
    mine = add_account(storage)
    other = add_account(storage, "other")
    run = a_run(mine.id)
    storage.tx.runs.rows[run.id] = run
    assert own_run(storage.tx, caller_of(mine), run.id) == run
    assert existing_run(storage.tx, run.id) == run
    messages = set()
    for caller, ref in ((other, run.id), (mine, new_ulid()), (mine, "x"), (mine, "")):
        with pytest.raises(RunNotFound) as caught:
            own_run(storage.tx, caller_of(caller), ref)
        messages.add(caught.value.message)
    assert len(messages) == 1
