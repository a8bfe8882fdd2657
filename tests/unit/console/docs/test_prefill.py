"""The requests of a playground with the objects of the user in place of the samples."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fyke.api.docs.samples import BY_NAME
from fyke.console.docs.prefill import OwnObjects, _own, filled, first_input
from fyke.console.docs.reference import OperationPage, ReferenceField
from fyke.model.account import Caller
from fyke.storage.sql.dialects import for_writing, make_engine
from fyke.storage.sql.state.transaction import SqlTransaction
from support import records
from support.prepared import state_in

OWN = OwnObjects("01WORKER", "acme~prices", {"urls": ["x"]}, "01RUN", "01TASK")


def page(*parameters: ReferenceField, body: Any = None) -> OperationPage:
    text = "" if body is None else json.dumps(body)
    return OperationPage(
        "x", "POST", "/x", "v2", "Runs", "X", "", False, parameters, "", (), text, ()
    )


def parameter(place: str, example: str, *, required: bool = False) -> ReferenceField:
    return ReferenceField("p", place, "string", required, "", example)


def body_of(own: OwnObjects, body: Any) -> Any:
    return json.loads(filled(page(body=body), own).body)


def schema(*properties: Any) -> str:
    return json.dumps({"properties": list(properties)})


def test_an_unedited_form_sends_defaults_and_the_least_that_is_required() -> None:
    found = first_input(
        schema(
            {"name": "off", "type": "boolean", "default": False, "required": True},
            {"name": "text", "type": "string", "required": True},
            {"name": "count", "type": "integer", "required": True},
            {"name": "share", "type": "number", "required": True},
            {"name": "list", "type": "array", "required": True},
            {"name": "map", "type": "object", "required": True},
            {"name": "flag", "type": "boolean", "required": True},
            {"name": "odd", "type": "mystery", "required": True},
            {"name": "may_be_left_out", "type": "string"},
            {"name": "null", "type": "string", "default": None},
        )
    )
    assert found == {
        "off": False, "text": "text", "count": 1, "share": 1, "list": [], "map": {}, "flag": False,
        "odd": "text",
    }  # fmt: skip


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"properties": {}}', '{"properties": [1, {"name": 2}, {}]}']
)
def test_a_schema_that_says_nothing_gives_no_input(text: str) -> None:
    assert first_input(text) == {}


@pytest.fixture
def tx(tmp_path: Path) -> Iterator[SqlTransaction]:
    engine = make_engine(state_in(tmp_path), durable=False)
    with for_writing(engine).connect() as connection, connection.begin():
        yield SqlTransaction(connection, hiding=frozenset())
    engine.dispose()


def test_the_latest_objects_of_the_account_are_taken_and_none_of_others(tx: SqlTransaction) -> None:
    owner, worker_id = records.seed(tx)
    stranger, foreign = records.seed(tx)
    schema = '{"properties":[{"name":"a","type":"integer","default":3}]}'
    worker = records.worker(owner, owner="acme", name="prices")
    tx.workers.add(worker)
    tx.workers.add_version(records.version(worker.id, input_schema=schema))
    worker = tx.workers.get(worker.id)
    runs = [records.seed_run(tx, owner, worker_id, created_at=n) for n in (1, 2)]
    tasks = [records.task(owner, worker_id, created_at=n) for n in (1, 2)]
    for task in (*tasks, records.task(stranger, foreign, created_at=3)):
        tx.tasks.add(task)
    records.seed_run(tx, stranger, foreign, created_at=3)
    assert _own(tx, Caller(owner, "acme", False, "u", ""), worker) == OwnObjects(
        worker.id, "acme~prices", {"a": 3}, runs[1].id, tasks[1].id
    )


def test_an_account_without_anything_keeps_the_samples(tx: SqlTransaction) -> None:
    assert _own(tx, Caller("nothing", "acme", False, "u", ""), None) == OwnObjects()


def test_ids_of_samples_become_those_of_the_user_wherever_they_stand() -> None:
    body = {
        "scraper_slug": BY_NAME["scraper_slug"],
        "list": [{"run": BY_NAME["run_slug"]}, BY_NAME["task_slug"]],
        "at": f"see {BY_NAME['run_slug']}",
        "count": 1,
    }
    assert body_of(OWN, body) == {
        "scraper_slug": "01WORKER",
        "list": [{"run": "01RUN"}, "01TASK"],
        "at": body["at"],
        "count": 1,
    }


def test_the_custom_input_becomes_that_of_the_workers_schema() -> None:
    body = {"parameters": {"custom": {"urls": ["sample"]}, "system": {"custom": "text"}}}
    swapped = body_of(OWN, body)["parameters"]
    assert swapped == {"custom": {"urls": ["x"]}, "system": {"custom": "text"}}
    assert body_of(OwnObjects(), body) == body
    assert body_of(OwnObjects(input={}), body)["parameters"]["custom"] == {}


def test_without_objects_of_their_own_users_see_the_samples() -> None:
    run = parameter("path", BY_NAME["run_slug"])
    [kept] = filled(page(run), OwnObjects()).parameters
    assert kept.example == BY_NAME["run_slug"]
    assert filled(page(), OwnObjects()).body == ""


def test_only_what_cannot_be_left_out_of_the_address_is_filled_in() -> None:
    worker = BY_NAME["workerId"]
    found = filled(
        page(
            parameter("path", worker),
            parameter("query", worker),
            parameter("query", "csv", required=True),
            parameter("header", "order-1"),
        ),
        OWN,
    )
    assert [each.example for each in found.parameters] == ["acme~prices", "", "csv", ""]
