"""Page and input schema of a worker for requests with and without a key."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from fyke.domain.workers.description import WorkerDescriptions
from fyke.errors import VersionUnavailable, WorkerNotFound
from fyke.kit.ids import new_ulid
from fyke.model.worker import SystemDefaults, VersionState, Worker
from support.published import ALICE, BOB, PublishedState

pytestmark = pytest.mark.anyio

SCHEMA: dict[str, Any] = {
    "properties": [
        {"name": "url", "default": "https://example.org"},
        {"name": "password", "default": "hunter2"},
        {"name": "region", "default": "eu"},
    ],
    "concurrency": {"fields": ["url"], "limits": [{"field": "url", "max": 3}]},
}
OPTIONS = SystemDefaults(memory_mb=4096, timeout_s=60)


async def worker_with_secrets(state: PublishedState, **changes: Any) -> Worker:
    """A worker whose version has secret defaults, limits and run options."""
    worker = await state.worker(**changes)
    text = json.dumps(SCHEMA)
    await state.version(
        worker, input_schema=text, readme="Words", defaults=OPTIONS, secrets=("REGION",)
    )
    return worker


def defaults(schema: dict[str, Any]) -> dict[str, str]:
    return {item["name"]: item["default"] for item in schema["properties"] if "default" in item}


async def test_callers_who_may_see_a_worker_get_the_full_description(state: PublishedState) -> None:
    shown, hidden = (
        await worker_with_secrets(state, public=True),
        await worker_with_secrets(state, name="hidden"),
    )
    pages = WorkerDescriptions(state.storage)
    requests = ((None, shown.id), (None, shown.path), (BOB, shown.id), (ALICE, hidden.path))
    for caller, ref in requests:
        found = await pages.newest(caller, ref)
        assert found.schema == SCHEMA
        assert (found.version.readme, found.version.defaults) == ("Words", OPTIONS)
        assert (await pages.page(caller, ref)).id == found.worker.id


async def test_the_slug_of_a_private_worker_gives_its_schema_without_secrets(
    state: PublishedState,
) -> None:
    worker = await worker_with_secrets(state)
    pages = WorkerDescriptions(state.storage)
    found = await pages.newest(None, f" {worker.id} ")
    assert found.worker.id == (await pages.page(None, worker.id)).id == worker.id
    assert defaults(found.schema) == {"url": "https://example.org"}
    assert [item["name"] for item in found.schema["properties"]] == ["url", "password", "region"]
    assert found.schema["concurrency"] == {"fields": ["url"]}
    assert (found.version.readme, found.version.defaults) == ("", SystemDefaults())


async def test_a_schema_without_usable_rules_is_unchanged(state: PublishedState) -> None:
    worker = await state.worker()
    await state.version(worker, input_schema='{"properties": [], "concurrency": [1]}')
    found = await WorkerDescriptions(state.storage).newest(None, worker.id)
    assert found.schema == {"properties": [], "concurrency": [1]}


async def test_a_private_worker_is_not_found_by_its_name_or_with_a_key(
    state: PublishedState,
) -> None:
    worker = await worker_with_secrets(state)
    pages = WorkerDescriptions(state.storage)
    with pytest.raises(WorkerNotFound) as with_key:
        await pages.newest(BOB, worker.id)
    assert with_key.value.details == []
    details = set()
    for ref in (worker.path, "alice/nothing", new_ulid(), ""):
        with pytest.raises(WorkerNotFound) as unknown:
            await pages.newest(None, ref)
        details.update(unknown.value.details)
    assert details == {
        "If this Worker is private, send an API key of its account, or ask for it by its slug"
    }


async def test_an_installation_may_hide_private_workers_from_requests_without_a_key(
    state: PublishedState,
) -> None:
    worker = await worker_with_secrets(state)
    pages = WorkerDescriptions(state.storage, by_slug=False)
    for ref in (worker.id, new_ulid()):
        with pytest.raises(WorkerNotFound) as hidden:
            await pages.page(None, ref)
        assert hidden.value.details == ["If this Worker is private, send an API key of its account"]
    assert (await pages.page(ALICE, worker.id)).id == worker.id


async def test_a_worker_without_a_published_version_has_a_page_only(state: PublishedState) -> None:
    worker = await state.worker()
    await state.version(worker, state=VersionState.DRAFT)
    pages = WorkerDescriptions(state.storage)
    for caller in (None, ALICE):
        assert (await pages.page(caller, worker.id)).latest == ""
        with pytest.raises(VersionUnavailable, match="no version is published"):
            await pages.newest(caller, worker.id)


async def test_a_deleted_worker_has_no_page(state: PublishedState) -> None:
    worker = await worker_with_secrets(state)
    await state.do("workers.mark_deleted", worker.id, 5)
    for caller in (None, ALICE):
        with pytest.raises(WorkerNotFound):
            await WorkerDescriptions(state.storage).page(caller, worker.id)


async def test_the_description_of_a_private_worker_has_the_newest_version(
    state: PublishedState,
) -> None:
    worker = await worker_with_secrets(state)
    newer = await state.version(worker, "v1.0.2", approved=False, readme="More")
    found = await WorkerDescriptions(state.storage).newest(None, worker.id)
    assert found.version == replace(newer, readme="")
