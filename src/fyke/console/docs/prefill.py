"""Prefills the playground with objects of the account, so that its requests work unedited."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from fyke.api.docs.samples import BY_NAME
from fyke.console.docs.reference import OperationPage, ReferenceField
from fyke.contracts.state import Storage, Transaction
from fyke.domain.catalog.service import Catalog
from fyke.domain.workers.input_schema import type_of
from fyke.domain.workers.jsontext import BadJson, loads
from fyke.model.account import Caller
from fyke.model.run import RunFilter
from fyke.model.worker import Worker


@dataclass(frozen=True, slots=True)
class OwnObjects:
    """Objects of the account; "" keeps the sample."""

    worker_id: str = ""
    worker_path: str = ""
    input: Mapping[str, Any] | None = None
    run: str = ""
    task: str = ""


class Prefill:
    """Finds the latest object of each kind."""

    def __init__(self, storage: Storage, catalog: Catalog) -> None:
        self._storage = storage
        self._catalog = catalog

    async def own(self, caller: Caller) -> OwnObjects:
        """The account's latest Worker (else the catalog's), run and task."""
        _, workers = await self._catalog.page(caller, "", offset=0, limit=1)
        return await self._storage.read(
            lambda tx: _own(tx, caller, workers[0] if workers else None)
        )


def _own(tx: Transaction, caller: Caller, worker: Worker | None) -> OwnObjects:
    _, runs = tx.runs.page(caller.account_id, RunFilter(), offset=0, limit=1)
    _, tasks = tx.tasks.of_account(caller.account_id, offset=0, limit=1)
    version = tx.workers.version(worker.id, worker.latest) if worker else None
    return OwnObjects(
        worker_id=worker.id if worker else "",
        worker_path=f"{worker.owner}~{worker.name}" if worker else "",
        input=first_input(version.input_schema) if version else None,
        run=runs[0].id if runs else "",
        task=tasks[0].id if tasks else "",
    )


def first_input(schema_text: str) -> dict[str, Any]:
    """The input of an unedited form: the defaults, and minimal values of required fields without
    one; {} for an invalid schema.
    """
    try:
        document = loads(schema_text)
    except BadJson:
        return {}
    items = document.get("properties", []) if isinstance(document, dict) else []
    minimal: dict[str, Any] = {
        "string": "text", "integer": 1, "number": 1, "boolean": False, "array": [], "object": {},
    }  # fmt: skip
    values: dict[str, Any] = {}
    for item in items if isinstance(items, list) else []:
        if not isinstance(item, dict) or not isinstance(item.get("name"), str):
            continue
        if item.get("default") is not None:
            values[item["name"]] = item["default"]
        elif item.get("required") is True:
            values[item["name"]] = minimal.get(type_of(item), "text")
    return values


def filled(page: OperationPage, own: OwnObjects) -> OperationPage:
    """The page with ``own`` in parameters and body."""
    swaps = {
        BY_NAME["workerId"]: own.worker_path,
        BY_NAME["scraper_slug"]: own.worker_id,
        BY_NAME["run_slug"]: own.run,
        BY_NAME["task_slug"]: own.task,
    }
    parameters = tuple(_parameter(parameter, swaps) for parameter in page.parameters)
    return replace(page, parameters=parameters, body=_body(page.body, swaps, own.input))


def _parameter(field: ReferenceField, swaps: Mapping[str, str]) -> ReferenceField:
    if field.place != "path" and not field.required:
        return replace(field, example="")  # optional parameters stay empty
    return replace(field, example=swaps.get(field.example) or field.example)


def _body(text: str, swaps: Mapping[str, str], input_: Mapping[str, Any] | None) -> str:
    if not text:
        return ""
    return json.dumps(_swap(json.loads(text), swaps, input_), ensure_ascii=False, indent=2)


def _swap(value: Any, swaps: Mapping[str, str], input_: Mapping[str, Any] | None) -> Any:
    if isinstance(value, dict):
        return {
            key: dict(input_)
            if key == "custom" and input_ is not None and isinstance(inner, dict)
            else _swap(inner, swaps, input_)
            for key, inner in value.items()
        }
    if isinstance(value, list):
        return [_swap(item, swaps, input_) for item in value]
    return swaps.get(value) or value if isinstance(value, str) else value
