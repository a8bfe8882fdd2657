"""The run form over the API: description, normalised input, files, defaults and code snippets."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from fyke.model.billing import Prices
from fyke.wire.fyke import forms as wire
from support import all_editors
from support.answers import data_as
from support.api import Api, client, fails
from support.app import App, open_app

pytestmark = pytest.mark.anyio
ROOT = "/api/fyke/workers/owner~places"
DEFAULTS = {p["name"]: p["default"] for p in all_editors.SCHEMA["properties"] if "default" in p}


@pytest.fixture
async def places(app: App) -> str:
    return (await app.publish("places", schema=all_editors.SCHEMA)).id


async def normalised(api: Api, **body: Any) -> dict[str, Any]:
    checked: dict[str, Any] = data_as(wire.CheckedInput, await api.post(f"{ROOT}/normalise", body))
    return checked


async def test_the_form_is_described(app: App, api: Api, places: str) -> None:
    form = data_as(wire.WorkerForm, await api.get(f"{ROOT}/form"))
    assert (form["worker_slug"], form["version"], form["versions"]) == (
        places,
        "v1.0.1",
        ["v1.0.1"],
    )
    assert [section["caption"] for section in form["sections"]] == ["", "What to keep", "More"]
    fields = {field["name"]: field for section in form["sections"] for field in section["fields"]}
    assert {name: field["kind"] for name, field in fields.items()} == {
        "keywords": "list", "pages": "list", "city": "line", "max_results": "number",
        "places": "table", "sort": "radio", "parts": "checkboxes", "language": "select",
        "country": "select", "countries": "multiselect", "closed": "switch", "since": "date",
        "note": "text", "headers": "json", "speed": "number",
    }  # fmt: skip
    assert (fields["keywords"]["item_key"], fields["keywords"]["required"]) == ("keyword", True)
    assert (fields["pages"]["has_default"], fields["sort"]["default"]) == (False, 2)
    assert fields["sort"]["options"][0] == {"label": "Distance", "value": 1, "token": "1"}
    assert (fields["since"]["format"], fields["since"]["relative"]) == ("DD/MM/YYYY", True)
    assert [column["name"] for column in fields["places"]["columns"]][:2] == ["url", "depth"]
    assert 'the editor "slider" is unknown' in fields["speed"]["notes"][0]


async def test_form_json_text_and_body_give_the_same_input(app: App, api: Api, places: str) -> None:
    custom = {**DEFAULTS, "pages": [], "headers": {"n": 2**70}}
    full_input = {"parameters": {"system": {"memory": 1024}, "custom": custom}}
    checked = await normalised(api, input=full_input)
    assert checked["input"] == full_input
    assert (checked["errors"], checked["subtasks"], checked["problem"]) == ([], 2, "")
    typed = await normalised(api, json_text=json.dumps(full_input))
    assert typed == checked
    flat = await normalised(api, input=custom)
    assert flat["input"]["parameters"] == {"system": {}, "custom": custom}
    form = [["f:keywords", "a\r\nb\r\nc"], ["f:max_results", "5"], ["s:memory", "1024"]]
    sent = await normalised(api, form=form)
    assert sent["input"]["parameters"]["custom"]["keywords"] == [
        {"keyword": "a"},
        {"keyword": "b"},
        {"keyword": "c"},
    ]
    assert (sent["subtasks"], sent["most_subtasks"]) == (3, 1000)
    run = await api.ok(
        "/api/v2/workers/owner~places/runs", {"is_async": True, "input": sent["input"]}
    )
    prefilled = data_as(
        wire.InitialInput, await api.get(f"{ROOT}/beginning?from_run={run['run_slug']}")
    )
    assert prefilled["input"] == sent["input"]
    assert (prefilled["source"], prefilled["ref"]) == ("run", run["run_slug"])


async def test_errors_are_part_of_the_answer(app: App, api: Api, places: str) -> None:
    checked = await normalised(
        api, form=[["f:keywords", "a"], ["f:max_results", "1,5"], ["f:places:0.depth", "2"]]
    )
    assert [(e["path"], e["row"], e["column"]) for e in checked["errors"]] == [
        ("custom.max_results", 0, ""),
        ("custom.places", 1, "url"),
    ]
    assert (checked["subtasks"], checked["problem"]) == (0, "the input has errors")
    checked = await normalised(api, json_text='{\n"keywords": 1}')
    assert [(e["path"], e["line"]) for e in checked["errors"]] == [("custom.keywords", 2)]
    checked = await normalised(api, json_text="{,}")
    assert [(e["line"], e["line_column"]) for e in checked["errors"]] == [(1, 2)]
    checked = await normalised(api, input={"keywords": [["nested"]]})
    assert "must be an object or primitive value" in checked["problem"]
    for body in ({}, {"input": {}, "json_text": "{}"}, {"form": [["a"]]}, {"form": "x"}):
        fails(await api.post(f"{ROOT}/normalise", body), 400, 4000)


async def test_files_fill_list_fields(app: App, api: Api, places: str) -> None:
    async def given(data: bytes, **query: str) -> Any:
        path = f"{ROOT}/import"
        return await api.send("POST", path, content=data, params=query)

    imported = data_as(wire.ImportedValue, await given(b"x\ny\n", field="keywords"))
    assert imported["value"] == [{"keyword": "x"}, {"keyword": "y"}]
    csv = b"Depth,Address\n1,a\nx,b\n"
    imported = data_as(wire.ImportedValue, await given(csv, field="places", name="p.csv"))
    assert imported["header"] is True
    assert imported["value"][0] == {"url": "a", "depth": 1, "photos": False}
    assert [(e["line"], e["column"]) for e in imported["errors"]] == [(3, "depth")]
    for data, query, words in (
        (b"a\nb\xff", {"field": "keywords"}, "line 2"),
        (b"", {"field": "keywords"}, "is empty"),
        (b"x", {}, "keywords, pages, places"),
        (b"x", {"field": "city"}, "is not a list"),
    ):
        answer = await given(data, **query)
        fails(answer, 400, 4000)
        assert words in answer.json()["message"]
    too_large = await given(b"x" * (5 * 2**20 + 2), field="keywords")
    assert too_large.status_code == 413


async def test_each_user_has_a_separate_initial_input(app: App, api: Api, places: str) -> None:
    started = data_as(wire.InitialInput, await api.get(f"{ROOT}/beginning"))
    assert started["source"] == "schema"
    assert started["input"]["parameters"]["custom"] == {**DEFAULTS, "pages": []}
    fails(await api.send("DELETE", f"{ROOT}/default-input"), 404, 4040)
    newer = {"properties": [{"name": "only", "type": "string", "default": "new"}]}
    await app.publish("places", schema=newer)
    started = data_as(wire.InitialInput, await api.get(f"{ROOT}/beginning"))
    assert started["input"]["parameters"]["custom"] == {"only": "new"}
    started = data_as(wire.InitialInput, await api.get(f"{ROOT}/beginning?version=v1.0.1"))
    assert started["input"]["parameters"]["custom"] == {**DEFAULTS, "pages": []}
    own_input = {"parameters": {"system": {"memory": 2048}, "custom": {"keywords": 7, "x": 2**70}}}
    body = {"input": own_input, "version": "v1.0.1"}
    saved = await api.send("PUT", f"{ROOT}/default-input", json=body)
    saved = data_as(wire.SavedInput, saved)
    assert (saved["input"], len(saved["errors"])) == (own_input, 1)
    started = data_as(wire.InitialInput, await api.get(f"{ROOT}/beginning"))
    assert (started["source"], started["input"]) == ("saved", own_input)
    other = await api.get(f"{ROOT}/beginning", key=app.other_key)
    assert data_as(wire.InitialInput, other)["source"] == "schema"
    assert (await api.send("DELETE", f"{ROOT}/default-input")).status_code == 200
    started = data_as(wire.InitialInput, await api.get(f"{ROOT}/beginning"))
    assert started["source"] == "schema"


async def test_recent_inputs_are_the_last_five_different_ones(
    app: App, api: Api, places: str
) -> None:
    for n in (0, 1, 2, 3, 4, 5, 5):
        body = {"is_async": True, "input": {"keywords": [f"word {n}"]}}
        await api.ok("/api/v2/workers/owner~places/runs", body)
    recent = data_as(wire.RecentInputList, await api.get(f"{ROOT}/recent-inputs"))["list"]
    assert [item["summary"] for item in recent] == [f"Keywords: word {n}" for n in range(5, 0, -1)]
    answer = await api.get(f"{ROOT}/recent-inputs", key=app.other_key)
    assert data_as(wire.RecentInputList, answer)["list"] == []


async def test_a_program_is_generated_for_the_input(app: App, api: Api, places: str) -> None:
    body = {"input": {"keywords": ["it's"]}, "language": "python", "version": "v1.0.1"}
    program = data_as(wire.StartSnippet, await api.post(f"{ROOT}/snippet", body))
    assert (program["file"], program["errors"]) == ("start.py", [])
    assert json.loads(program["body"])["version"] == "v1.0.1"
    assert "it\\u0027s" in program["text"]
    fails(await api.post(f"{ROOT}/snippet", {"input": {}, "language": "cobol"}), 400, 4000)


async def test_each_missing_object_has_its_own_error(app: App, api: Api, places: str) -> None:
    fails(await api.get("/api/fyke/workers/owner~absent/form"), 404, 50001)
    fails(await api.get(f"{ROOT}/form?version=v9.9.9"), 400, 4000)
    fails(await api.get(f"{ROOT}/beginning?from_run=01HFXXXXXXXXXXXXXXXXXXXXXX"), 404, 70001)
    fails(await api.get(f"{ROOT}/beginning?task=01HFXXXXXXXXXXXXXXXXXXXXXX"), 404, 60001)
    worker = await app.services.workers.find(app.owner, places)
    await app.withdraw(worker, "v1.0.1")
    fails(await api.get(f"{ROOT}/form"), 400, 50003)


# --- the preview of a start ------------------------------------------------------------------


@pytest.fixture
async def priced(tmp_path: Path, templates: Path) -> AsyncIterator[Api]:
    prices = Prices(Decimal("0.40"), Decimal("0.10"), Decimal("2"))
    async with open_app(tmp_path, templates, prices=prices) as app:
        await app.publish("places", schema=all_editors.SCHEMA)
        async with client(app.asgi()) as http:
            yield Api(http, app.owner_key)


async def test_without_prices_nothing_is_estimated(app: App, api: Api, places: str) -> None:
    checked = await normalised(api, input={"keywords": ["a"]})
    assert checked["estimate"] == {
        "priced": False,
        "hour": "0",
        "gigabyte": "0",
        "most": "0",
        "missing": "0",
        "hour_with_browser": "0",
        "most_with_browser": "0",
    }
    assert (checked["plan"], checked["most_runs"], checked["waits"]) == ("unlimited", 0, "")


async def test_prices_and_caps_determine_the_quote(priced: Api) -> None:
    system = {"memory": 1024, "cpus": 0.25, "execute_limit_time_seconds": 1800}
    full_input = {"parameters": {"system": system, "custom": {"keywords": ["a", "b", "c"]}}}
    free = (await normalised(priced, input=full_input))["estimate"]
    # a quarter of a core and a GB of memory for an hour
    assert (free["hour"], free["gigabyte"], free["most"]) == ("0.2", "2", None)
    # one core and one GB more
    assert (free["hour_with_browser"], free["most_with_browser"]) == ("0.7", None)
    system["max_total_traffic"] = 100
    bounded = (await normalised(priced, input=full_input))["estimate"]
    assert bounded["most"] == "0.5"  # three times half an hour, and a tenth of a GB
    assert (bounded["missing"], bounded["most_with_browser"]) == ("0.5", "1.25")
    system["max_total_charge"] = 0.2
    capped = (await normalised(priced, input=full_input))["estimate"]
    assert (capped["most"], capped["most_with_browser"]) == ("0.2", "0.2")
