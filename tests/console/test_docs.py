"""The documentation of the API in the console, and its playground."""

from __future__ import annotations

import json

from support.app import App
from support.pages import Visitor, visitor


async def test_guests_may_read_every_operation(guest: Visitor) -> None:
    index = await guest.get("/docs")
    addresses = set(index.all("//main//ul[@class='docs-operations']//a/@href"))
    assert len(addresses) > 100
    page = await guest.get("/docs/runWorker")
    assert "/api/v2/workers/{workerId}/runs" in page.text
    assert "Sign in to try it here" in page.text
    assert not page.all("//form[contains(@action, '/try')]")


async def test_every_operation_has_a_page(guest: Visitor) -> None:
    document = (await guest.http.get("/openapi.json")).json()
    ids = [entry["operationId"] for item in document["paths"].values() for entry in item.values()]
    listing = (await guest.http.get("/llms.txt")).text
    assert [entry for entry in ids if f"/docs/{entry}.md)" not in listing] == []
    for entry in ids:
        markdown = await guest.http.get(f"/docs/{entry}.md")
        assert markdown.headers["content-type"].startswith("text/markdown")
        assert markdown.text.startswith("# ")
    await guest.get("/docs/noSuchOperation", status=404)


async def test_the_playground_sends_a_request_without_editing(app: App, owner: Visitor) -> None:
    await app.register_runner()
    worker = await app.publish()
    page = await owner.get("/docs/runWorker")
    assert page.value("path.workerId") == f"owner~{worker.name}"
    assert json.loads(page.value("body"))["input"]["parameters"]["custom"] == {"urls": []}
    form = {"path.workerId": page.value("path.workerId"), "body": page.value("body")}
    tried = await owner.post("/docs/runWorker/try", form, status=200)
    assert (
        tried.one("//*[@id='trial']//span[contains(@class, 'state')]").text_content().strip()
        == "400"
    )
    body = page.value("body").replace('"urls": []', '"urls": [{"url": "https://example.org/"}]')
    tried = await owner.post("/docs/runWorker/try", {**form, "body": body}, status=200)
    answer = json.loads(tried.one("//*[@id='trial']//pre").text_content())
    assert answer["code"] == 0, answer
    run = await app.services.runs.get(app.owner, answer["data"]["run_slug"])
    assert run.worker.id == worker.id
    assert tried.value("body") == body, "what was sent is still there"


async def test_the_playground_acts_as_the_signed_in_user(app: App, owner: Visitor) -> None:
    await app.publish()
    async with visitor(app, app.other.user_id) as other:
        tried = await other.post("/docs/listAccounts/try", {}, status=200)
        assert json.loads(tried.one("//*[@id='trial']//pre").text_content())["code"] == 4010
    tried = await owner.post("/docs/listAccounts/try", {}, status=200)
    assert json.loads(tried.one("//*[@id='trial']//pre").text_content())["code"] == 0


async def test_a_path_parameter_is_required(owner: Visitor) -> None:
    tried = await owner.post("/docs/runWorker/try", {"body": "{}"}, status=200, part=True)
    assert "workerId" in tried.text and "cannot be left out" in tried.text


async def test_a_header_value_cannot_add_another_header(owner: Visitor) -> None:
    form = {
        "path.workerId": "owner~x",
        "header.Idempotency-Key": "a\r\napi-key: stolen",
        "body": "{}",
    }
    tried = await owner.post("/docs/runWorker/try", form, status=200, part=True)
    assert "a header is one line" in tried.text


async def test_a_response_that_is_too_long_is_cut(app: App, owner: Visitor) -> None:
    worker = await app.publish()
    await app.register_runner()
    form = {
        "path.workerId": f"owner~{worker.name}",
        "body": json.dumps({"input": {"urls": [{"url": "https://example.org/"}]}}),
    }
    await owner.post("/docs/runWorker/try", form, status=200)
    await app.execute([{"text": "x" * 100_000}], log=["done"])
    page = await owner.get("/docs/streamWorkerRun")
    run = page.value("path.runId")
    tried = await owner.post("/docs/streamWorkerRun/try", {"path.runId": run}, status=200)
    assert "Only the start of the response is shown" in tried.text
    assert len(tried.one("//*[@id='trial']//pre").text_content()) <= 64 * 1024
