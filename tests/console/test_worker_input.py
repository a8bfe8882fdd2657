"""The input of a worker in the console, without JavaScript."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
import xlsxwriter
from sqlalchemy import text as sql

from fyke.errors import VersionUnavailable
from fyke.kit.ids import new_ulid
from fyke.model.account import Role, User
from fyke.model.node_registry import Node
from fyke.model.run import RunFilter
from support import all_editors
from support.app import App
from support.pages import Page, Visitor, set_password, stranger, visitor
from support.run_forms import PLACES, sent

pytestmark = pytest.mark.anyio
READER = "/w/owner/reader"
DEFAULTS = {p["name"]: p["default"] for p in all_editors.SCHEMA["properties"] if "default" in p}


@pytest.fixture
async def places(app: App) -> str:
    return (await app.publish("places", schema=all_editors.SCHEMA)).id


async def press(visitor: Visitor, page: Page, do: str, status: int = 200, **changed: Any) -> Page:
    path = str(page.one("//form[@id='run-form']").get("action"))
    return await visitor.post(path, {**sent(page, **changed), "do": do}, status=status)


async def runs(app: App) -> list[Any]:
    _, found = await app.storage.read(
        lambda tx: tx.runs.page(app.owner.account_id, RunFilter(), offset=0, limit=10)
    )
    return list(found)


async def test_an_unchanged_form_starts_a_run_with_the_defaults(
    app: App, owner: Visitor, places: str
) -> None:
    page = await owner.get(PLACES)
    started = await press(owner, page, "start", 303)
    (run,) = await runs(app)
    assert started.location == f"/runs/{run.id}"
    assert json.loads(run.input_json) == {**DEFAULTS, "pages": []}
    assert (run.origin.value, run.subtasks) == ("web", 2)


async def test_a_form_that_arrives_twice_starts_one_run_and_saves_one_task(
    app: App, owner: Visitor, places: str
) -> None:
    page = await owner.get(PLACES)
    first = await press(owner, page, "start", 303)
    assert (await press(owner, page, "start", 303)).location == first.location
    saved = await press(owner, page, "task", 303, task_title="Daily")
    again = await press(owner, page, "task", 303, task_title="Daily")
    assert again.location == saved.location
    assert len(await runs(app)) == 1
    count, _ = await app.services.tasks.list(app.owner, offset=0, limit=5)
    assert count == 1
    # what was changed, and a new form, are new requests
    await press(owner, page, "start", 303, callback_url="https://hooks.example/1")
    await press(owner, await owner.get(PLACES), "start", 303)
    assert len(await runs(app)) == 3


async def test_pool_and_labels_are_options_where_there_are_nodes(
    app: App, owner: Visitor, places: str
) -> None:
    assert "s:pool" not in sent(await owner.get(PLACES))
    node = Node("n1", "eu", {}, "", "J", ephemeral=False, joined_at=1)
    await app.storage.write(lambda tx: tx.nodes.add(node))
    page = await owner.get(PLACES)
    chosen = {"s:pool": "eu", "s:labels": "gpu=yes, disk=ssd"}
    await press(owner, page, "start", 303, **chosen)
    (run,) = await runs(app)
    assert (run.pool, run.labels) == ("eu", {"gpu": "yes", "disk": "ssd"})
    again = await owner.get(f"{PLACES}?from_run={run.id}")
    assert sent(again)["s:pool"] == ["eu"]
    assert sent(again)["s:labels"] == ["disk=ssd, gpu=yes"]
    assert "s:labels:json" not in sent(again)
    await press(owner, again, "start", 303)
    assert [(one.pool, one.labels) for one in await runs(app)] == [(run.pool, run.labels)] * 2
    shown = await owner.get(f"/runs/{run.id}/input")
    assert "disk=ssd, gpu=yes" in shown.text
    unknown = await press(owner, page, "start", 422, **{"s:pool": "us"})
    assert '"Pool" must be one of the pools of this installation: default, eu' in unknown.text


async def test_every_editor_sends_the_typed_value(app: App, owner: Visitor, places: str) -> None:
    page = await owner.get(PLACES)
    changed: dict[str, Any] = {
        "f:keywords": "a\r\n\r\n b ",
        "f:pages": "https://a.example/?q=1&r=<2>",
        "f:city": " Graz ",
        "f:max_results": "50",
        "f:places:1.url": "https://a.example/2",
        "f:places:1.depth": "3",
        "f:places:1.kind": "shop",
        "f:sort": "1",
        "f:parts": ["photos", "hours"],
        "f:language": "de",
        "f:country": "Germany",
        "f:countries": ["at", "it"],
        "f:closed": "true",
        "f:since": "",
        "f:since:amount": "7",
        "f:since:unit": "weeks",
        "f:note": "x\r\ny",
        "f:headers": '{"n": 1234567890123456789012}',
        "f:speed": "1.25",
        "s:memory": "1024",
        "s:execute_limit_time_seconds": "60",
        "s:max_total_charge": "0.5",
        "s:proxy_region": "US",
        "s:browser_block": ["fonts", "images"],
    }
    await press(owner, page, "start", 303, **changed)
    (run,) = await runs(app)
    assert json.loads(run.input_json) == {
        "keywords": [{"keyword": "a"}, {"keyword": " b "}],
        "pages": [{"url": "https://a.example/?q=1&r=<2>"}],
        "city": " Graz ",
        "max_results": 50,
        "places": [
            DEFAULTS["places"][0],
            {"url": "https://a.example/2", "depth": 3, "kind": "shop", "photos": False},
        ],
        "sort": 1,
        "parts": [
            "hours",
            "photos",
        ],  # chosen options keep their order, new ones follow in the order of the list
        "language": "de",
        "country": "de",
        "countries": ["it", "at"],
        "closed": True,
        "since": "7 weeks",
        "note": "x\ny",
        "headers": {"n": 1234567890123456789012},
        "speed": 1.25,
    }
    limits = run.limits
    assert (limits.memory_mb, limits.timeout_s, limits.max_charge_micros) == (1024, 60, 500_000)
    assert run.region == "US"
    assert run.browser_block == ("images", "fonts")
    again = await owner.get(f"{PLACES}?from_run={run.id}")
    assert sent(again)["s:browser_block"] == ["images", "fonts"]


async def test_an_error_keeps_the_typed_values_and_links_to_its_control(
    app: App, owner: Visitor, places: str
) -> None:
    page = await owner.get(PLACES)
    changed = {
        "f:keywords": "",
        "f:city": "<b>Graz</b>",
        "f:max_results": "1,5",
        "f:places:1.depth": "x",
        "f:headers": "{\r\n'a': 1}",
        "s:max_total_traffic": "much",
        "callback_url": "https://example.org/hook",
        "task_title": "Mine",
    }
    again = await press(owner, page, "start", 422, **changed)
    assert await runs(app) == []
    kept = sent(again)
    for name, text in changed.items():
        assert kept[name] == [text], name
    links = again.all("//*[@id='faults']//a")
    assert len(links) == 6
    for link in links:
        target = again.one(f"//*[@id='{link.get('href')[1:]}']")
        assert target.get("aria-invalid") == "true", link.get("href")
    assert again.one("//*[@id='faults']").get("data-focus") is not None
    assert "without commas" in again.text
    assert "Places, row 2, Address: is required" in again.text
    assert "line 2, column 1" in again.text
    assert again.one("//details[contains(@class,'options')]").get("open") is not None
    opened = again.all("//details[contains(@class,'section')][.//*[@id='x13']]")
    assert opened[0].get("open") is not None
    # the error disappears once it is fixed
    fixed = {"f:keywords": "a", "f:max_results": "15", "f:places:1.depth": "", "f:headers": "{}",
              "s:max_total_traffic": "5"}  # fmt: skip
    await press(owner, again, "start", 303, **fixed)


async def test_an_input_without_an_entry_to_split_by_is_refused_in_words_of_the_form(
    app: App, owner: Visitor
) -> None:
    fields = [
        {"name": name, "title": name.title(), "type": "array", "editor": "stringList"}
        for name in ("links", "terms")
    ]
    schema = {"properties": fields, "concurrency": {"fields": ["links", "terms"]}}
    worker = await app.publish("splitter", schema=schema)
    page = await owner.get(f"/w/{worker.path}")
    advice = "Add an entry to one of Links, Terms: each entry is one subtask."
    assert advice in page.one("//*[@id='outlook']").text_content()
    refused = await press(owner, page, "start", 422)
    assert advice in refused.one("//*[@id='faults']").text_content()
    assert await runs(app) == []
    await press(owner, refused, "start", 303, **{"f:terms": "one"})


async def test_a_refused_private_callback_leads_the_operator_to_admin(
    app: App, owner: Visitor, places: str
) -> None:
    link = "/admin/proxies?entry=10.0.0.7%3A5678#callbacks"
    typed = {"callback_url": "http://10.0.0.7:5678/hook"}
    refused = await press(owner, await owner.get(PLACES), "start", 422, **typed)
    assert "can allow it in Admin > Proxies and regions" in refused.text
    assert [
        item.get("href") for item in refused.all("//a[text()='Allow 10.0.0.7:5678 in Admin']")
    ] == [link]
    assert "Every account may call 10.0.0.7 at port 5678." in (await owner.get(link)).text
    async with visitor(app, app.other.user_id) as other:
        refused = await press(other, await other.get(PLACES), "start", 422, **typed)
        assert "an operator can allow it" in refused.text
        assert not refused.all("//a[contains(@href, '/admin')]")
    local = {"callback_url": "http://127.0.0.1:5678/hook"}
    refused = await press(owner, await owner.get(PLACES), "start", 422, **local)
    assert "with FYKE_CALLBACK_ALLOW=127.0.0.1:5678" in refused.text
    assert not refused.all("//a[contains(@href, '/admin/proxies')]")


async def test_both_views_show_the_same_value(app: App, owner: Visitor, places: str) -> None:
    page = await owner.get(PLACES)
    as_json = await press(owner, page, "json", **{"f:city": "Graz", "s:memory": "2048"})
    shown = as_json.value("json_text")
    assert json.loads(shown) == {**DEFAULTS, "pages": [], "city": "Graz"}
    more = json.loads(shown) | {"city": None, "unknown": [1.5, 2**70], "keywords": ["q", {"a": 1}]}
    as_form = await press(owner, as_json, "form", json_text=json.dumps(more))
    assert sent(as_form)["s:memory"] == ["2048"]
    assert "cannot show this value" in as_form.text
    back = await press(owner, as_form, "json")
    assert json.loads(back.value("json_text")) == more
    broken = await press(owner, back, "form", 422, json_text='{"city": 1,\n}')
    assert broken.value("json_text") == '{"city": 1,\n}'
    assert "line" in broken.one("//*[@id='faults']").text_content()


async def test_a_run_can_be_started_from_the_json_view(
    app: App, owner: Visitor, places: str
) -> None:
    page = await owner.get(f"{PLACES}?view=json")
    whole = {"parameters": {"system": {"memory": 4096}, "custom": {"keywords": ["a", "b", "c"]}}}
    wrong = await press(owner, page, "start", 422, json_text='{"keywords": 1}')
    assert 'Line 1: field "keywords" must be an array' in wrong.text
    await press(owner, wrong, "start", 303, json_text=json.dumps(whole))
    (run,) = await runs(app)
    assert (run.limits.memory_mb, run.subtasks) == (4096, 3)


async def test_a_start_with_values_beyond_the_form_asks_first(
    app: App, owner: Visitor, places: str
) -> None:
    page = await owner.get(f"{PLACES}?view=json")
    rows = [{"url": "https://a.example", "kind": "zoo"}, {"depth": 2}]
    typed = json.dumps({"keywords": ["a"], "max_results": 99999, "sort": 7, "places": rows})
    live = await owner.post(f"{PLACES}/outlook", sent(page, json_text=typed), part=True, status=200)
    assert "Maximum results: must be at most 10,000; 99999 is too large" in live.text
    asked = await press(owner, page, "start", 422, json_text=typed)
    note = " ".join(asked.one("//*[@id='faults']").text_content().split())
    assert note.startswith("Start with values that the form does not allow?")
    for rule in (
        "Maximum results: must be at most 10,000; 99999 is too large",
        'Sort by: has no option "7"',
        'Places, row 1, Kind: has no option "zoo"',
        "Places, row 2, Address: is required",
    ):
        assert asked.text.count(rule) == 1
    assert await runs(app) == []
    # the form view asks too; what is typed there must follow its rules
    form = await press(owner, asked, "form")
    assert "Start anyway" in (await press(owner, form, "start", 422)).text
    (button,) = asked.all("//*[@id='faults']//button")
    wrong = await press(owner, form, button.get("value"), 422, **{"f:max_results": "99998"})
    assert "Maximum results: must be at most 10,000; 99998 is too large" in wrong.text
    # a value that was not listed is asked about
    again = await press(
        owner, asked, button.get("value"), 422, json_text=typed.replace("99999", "99998")
    )
    assert "Maximum results: must be at most 10,000; 99998 is too large" in again.text
    assert await runs(app) == []
    many = json.dumps({"keywords": ["a"], "places": [{"url": "a", "kind": "zoo"}] * 1_001})
    assert "at least 990 more" in (await press(owner, page, "start", 422, json_text=many)).text
    await press(owner, asked, button.get("value"), 303)
    (run,) = await runs(app)
    assert json.loads(run.input_json) == json.loads(typed)


async def test_rows_can_be_added_and_pasted_without_javascript(
    app: App, owner: Visitor, places: str
) -> None:
    page = await owner.get(PLACES)
    before = len(page.all("//table[contains(@class,'sheet')]/tbody/tr"))
    more = await press(owner, page, "rows:places", **{"f:places:1.url": "b"})
    assert len(more.all("//table[contains(@class,'sheet')]/tbody/tr")) >= before + 5
    assert sent(more)["f:places:1.url"] == ["b"]
    pasted = await press(owner, more, "rows:places", **{"f:places:paste": "c\t1\tbar\r\nd\t2"})
    urls = [texts[0] for name, texts in sent(pasted).items() if name.endswith(".url") and texts[0]]
    assert urls == ["https://a.example/1", "b", "c", "d"]


async def test_a_list_can_be_filled_from_a_file(app: App, owner: Visitor, places: str) -> None:
    out = io.BytesIO()
    with xlsxwriter.Workbook(out, {"in_memory": True}) as book:
        sheet = book.add_worksheet()
        for row, cells in enumerate([["id", "Keywords"], [1, "x"], [2, "y"]]):
            sheet.write_row(row, 0, cells)
    page = await owner.get(PLACES)
    body = {**sent(page, **{"f:city": "Linz"}), "do": "import:keywords"}
    files = {"file:x0": ("list.xlsx", out.getvalue())}
    filled = await owner.post(PLACES, body, status=200, files=files)
    assert "2 entries were added" in filled.text
    assert sent(filled)["f:keywords"] == ["coffee\r\ntea shop\r\nx\r\ny"]
    assert sent(filled)["f:city"] == ["Linz"]
    files = {"file:x0": ("list.csv", b'a,"b\n')}
    refused = await owner.post(PLACES, body, status=422, files=files)
    assert "line 1" in refused.one("//*[@id='faults']").text_content()
    assert sent(refused)["f:city"] == ["Linz"]
    nothing = await owner.post(PLACES, body, status=422)
    assert "Choose a file" in nothing.text


async def test_the_estimate_is_updated_with_the_input(
    app: App, owner: Visitor, places: str
) -> None:
    page = await owner.get(PLACES)
    assert page.one("//*[@id='outlook']//dd[1]").text_content() == "2"
    body = sent(page, **{"f:keywords": "a\nb\nc\nd"})
    part = await owner.post(f"{PLACES}/outlook", body, part=True, status=200)
    assert part.one("//dl/dd[1]").text_content() == "4"
    assert "Costs" not in part.text  # no prices are set
    body = sent(page, **{"f:max_results": "x"})
    part = await owner.post(f"{PLACES}/outlook", body, part=True, status=200)
    assert "One value is not valid" in part.text


async def test_a_form_can_start_from_defaults_recent_inputs_tasks_and_runs(
    app: App, owner: Visitor, places: str
) -> None:
    page = await owner.get(PLACES)
    saved = await press(owner, page, "default", **{"f:city": "Linz", "s:memory": "8192"})
    assert "starts with these values" in saved.text
    mine = await owner.get(PLACES)
    assert (mine.value("f:city"), sent(mine)["s:memory"]) == ("Linz", ["8192"])
    assert "Your default" in mine.text
    started = await press(owner, mine, "start", 303, **{"f:city": "Graz"})
    run_id = started.location.rpartition("/")[2]
    page = await owner.get(PLACES)
    assert page.all(f"//a[@href='{PLACES}?from_run={run_id}']")
    again = await owner.get(f"{PLACES}?from_run={run_id}")
    assert (again.value("f:city"), sent(again)["s:memory"]) == ("Graz", ["8192"])
    assert sent(again)["s:max_total_traffic"] == [""]  # not 0, which would mean no limit
    kept = await press(owner, again, "task", 303, task_title="Every day", version="v1.0.1")
    task_id = kept.location.rpartition("/")[2].rpartition("=")[2]
    of_task = await owner.get(f"{PLACES}?task={task_id}")
    assert of_task.value("f:city") == "Graz"
    assert "Input of the task Every day" in of_task.text
    nameless = await press(owner, page, "task", 422, task_title="a\0b")
    assert "the invisible character U+0000 at position 2" in nameless.text
    await press(owner, page, "forget", 303)
    assert (await owner.get(PLACES)).value("f:city") == "Vienna"
    await owner.get(f"{READER}?from_run={run_id}", status=404)


async def test_runs_and_tasks_of_other_accounts_are_not_found(app: App, places: str) -> None:
    other = await app.publish("theirs", caller=app.other)
    async with visitor(app, app.other.user_id) as someone:
        page = await someone.get(f"/w/{other.path}")
        started = await press(someone, page, "start", 303, **{"f:urls": "a"})
        run_id = started.location.rpartition("/")[2]
    async with visitor(app) as someone:
        for start in (f"from_run={run_id}", f"task={run_id}", "from_run=none", "task=none"):
            page = await someone.get(f"{PLACES}?{start}", status=404)
            assert not page.all("//form[@id='run-form']"), start
            assert run_id not in page.text.replace(start, "")


async def test_the_end_of_a_session_keeps_the_form(app: App, places: str) -> None:
    await set_password(app)
    async with visitor(app) as someone:
        page = await someone.get(PLACES)
    body = {**sent(page, **{"f:city": "Graz <3"}), "do": "start"}
    async with stranger(app) as someone:
        asked = await someone.post(PLACES, body, status=401)
        pending = {c.get("name"): c for c in asked.all("//*[starts-with(@name,'pending.')]")}
        assert "Graz <3" in (
            pending["pending.f:city"].text or pending["pending.f:city"].get("value")
        )
        part = await someone.post(PLACES, body, status=401, part=True)
        assert part.answer.headers["hx-retarget"] == "#notices"


async def test_a_withdrawn_version_is_reported_with_a_link_to_the_latest(
    app: App, owner: Visitor, places: str
) -> None:
    worker = await app.services.workers.find(app.owner, places)
    await app.withdraw(worker, "v1.0.1")
    page = await owner.get(PLACES)
    assert "This version cannot run" in page.text
    assert page.all(f"//a[@href='{PLACES}/versions']")
    with pytest.raises(VersionUnavailable):
        await app.services.forms.open(app.owner, places)


async def test_a_broken_schema_has_a_page_with_the_reason(app: App, owner: Visitor) -> None:
    worker = await app.publish("broken")
    await app.storage.write(lambda tx: _break(tx, worker.id))
    page = await owner.get("/w/owner/broken")
    assert "cannot be read. Enter the input as JSON" in page.text
    assert page.value("json_text") == "{}"
    refused = await press(owner, page, "start", 422, json_text='{"a": 1}')
    assert "input_schema is not a valid json" in refused.text
    assert refused.value("json_text") == '{"a": 1}'


def _break(tx: Any, worker_id: str) -> None:
    statement = sql("UPDATE versions SET input_schema = '{' WHERE worker_id = :id")
    tx.connection.execute(statement, {"id": worker_id})


async def test_a_viewer_cannot_start_a_run(app: App, places: str) -> None:
    _, user = await _member(app, Role.VIEWER)
    async with visitor(app, user) as someone:
        page = await someone.get(PLACES)
        assert not page.all("//button[@data-start]")
        assert "Your role, viewer" in page.text
        refused = await press(someone, page, "start", 422)
        assert "viewer" in refused.text
    assert await runs(app) == []


async def _member(app: App, role: Role) -> tuple[str, str]:
    user = User(new_ulid(), app.owner.account_id, role.value, role, False, "", 1)
    await app.storage.write(lambda tx: tx.accounts.add_user(user))
    return user.name, user.id


async def test_selecting_another_version_keeps_the_input(app: App, owner: Visitor) -> None:
    number = {"name": "n", "title": "Number", "type": "integer", "editor": "number"}
    both = [number, {"name": "old", "title": "Old", "type": "string", "editor": "input"}]
    worker = await app.publish("moving", schema={"properties": both})
    newer = {**number, "type": "string", "editor": "input"}
    await app.publish("moving", schema={"properties": [newer]}, main="print(2)\n")
    page = await owner.get("/w/owner/moving?version=v1.0.1")
    typed = {"f:n": "5", "f:old": "kept"}
    moved = await press(owner, page, "redraw", version="v1.0.2", **typed)
    assert json.loads(moved.value("f")) == {"old": "kept"}
    assert json.loads(moved.value("f:n:json")) == 5  # where v1.0.2 has a text field
    refused = await press(owner, page, "start", 422, version="v1.0.2", **typed)
    assert "must be a string" in refused.text
    # the version is withdrawn while the form is open
    await app.withdraw(worker, "v1.0.1")
    gone = await press(owner, page, "start", 422, **typed)
    assert json.loads(gone.value("f")) == {"old": "kept"}
    again = await press(owner, gone, "start", 303, **{"f:n:json": '"5"'})
    (run,) = await runs(app)
    assert again.location == f"/runs/{run.id}"
    assert (run.version, json.loads(run.input_json)) == ("v1.0.2", {"n": "5", "old": "kept"})


async def test_an_input_of_a_removed_version_is_opened_in_the_latest(
    app: App, owner: Visitor, places: str
) -> None:
    page = await owner.get(PLACES)
    started = await press(owner, page, "start", 303, **{"f:city": "Graz"})
    run_id = started.location.rpartition("/")[2]
    worker = await app.publish("places", schema=all_editors.SCHEMA, main="print(2)\n")
    await app.withdraw(worker, "v1.0.1")
    again = await owner.get(f"{PLACES}?from_run={run_id}")
    assert again.value("f:city") == "Graz"
    assert "version v1.0.1 can no longer run" in again.text
    assert again.value("drawn") == "v1.0.2"
    named = await owner.get(f"{PLACES}?from_run={run_id}&version=v1.0.1")
    assert "This version cannot run" in named.text


# --- formatting ------------------------------------------------------------------------------


async def test_formatting_json_keeps_all_digits(app: App, owner: Visitor, places: str) -> None:
    answer = await owner.post(f"{PLACES}/format", {"text": '{"a":12345678901234567890123}'},
                              part=True, status=200)  # fmt: skip
    assert answer.answer.json() == {"text": '{\n  "a": 12345678901234567890123\n}', "fault": ""}
    answer = await owner.post(f"{PLACES}/format", {"text": "[1,"}, part=True, status=200)
    assert "line 1, column 4" in answer.answer.json()["fault"]


# --- what others have written ----------------------------------------------------------------

HOSTILE = "\"><img src=x onerror=alert(1)><script>alert(2)</script>'`${7*7}{{7*7}}</textarea>"


async def test_hostile_names_are_shown_as_text(app: App, owner: Visitor) -> None:
    def item(editor: str, type: str, **more: Any) -> dict[str, Any]:
        return {
            "name": f"{editor}{HOSTILE}", "title": HOSTILE, "description": HOSTILE, "type": type,
            "editor": editor, "sectionCaption": HOSTILE + editor, "sectionDescription": HOSTILE,
            "unit": HOSTILE, **more,
        }  # fmt: skip

    options = [{"label": HOSTILE, "value": HOSTILE}, {"label": HOSTILE, "value": 1}]
    schema = {
        "description": HOSTILE,
        "properties": [
            item("input", "string", default=HOSTILE),
            item("textarea", "string", default=HOSTILE),
            item("number", "integer", default=1),
            item("select", "string", options=options, default=HOSTILE),
            item("radio", "string", options=options, default=HOSTILE),
            item("checkbox", "array", options=options, default=[1, HOSTILE]),
            item("switch", "boolean", default=True),
            item("datepicker", "string", format=HOSTILE, default=HOSTILE),
            item("stringList", "array", default=[{HOSTILE: HOSTILE}]),
            item("requestListSource", "array", param_list=[{"param": HOSTILE, "title": HOSTILE}],
                 default=[{HOSTILE: HOSTILE}]),
            item("json", "object", default={HOSTILE: HOSTILE}),
            item(HOSTILE, "string", default=HOSTILE),
        ],
    }  # fmt: skip
    await app.publish("hostile", schema=schema)
    page = await owner.get("/w/owner/hostile")
    for address in ("", "?view=json", "/api"):
        seen = await owner.get(f"/w/owner/hostile{address}")
        assert not seen.all("//img | //*[@onerror] | //script[not(@src)]"), address
    await press(owner, page, "start", 303)
    (run,) = await runs(app)
    assert json.loads(run.input_json) == {p["name"]: p["default"] for p in schema["properties"]}


async def test_a_table_that_is_too_long_is_shown_as_json(
    app: App, owner: Visitor, places: str
) -> None:
    rows = "\n".join(f"https://a.example/{n}\t{n}" for n in range(400))
    page = await owner.get(PLACES)
    pasted = await press(owner, page, "rows:places", **{"f:places:paste": rows})
    assert len(json.loads(pasted.value("f:places:json"))) == 401
    bad = rows + "\nhttps://a.example/bad\t1,5"
    refused = await press(owner, page, "start", 422, **{"f:places:paste": bad})
    assert "row 402" in refused.text
    typed = {f"f:places:{n}.url": f"u{n}" for n in range(400)}
    again = await press(owner, page, "start", 422, **typed, **{"f:max_results": "x"})
    assert len(json.loads(again.value("f:places:json"))) == 400
