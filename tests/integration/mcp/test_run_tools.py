"""Our own tools, the resources and the prompts against the real API."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp.client.client import Client
from mcp.shared.exceptions import MCPError

from fyke.mcp.server import build_server
from fyke.mcp.session import McpSession
from fyke.mcp.spending import AgentSpending, KeySpending
from fyke.model.attempt import AttemptReport
from fyke.model.billing import Prices
from fyke.model.progress import WorkerProgress
from fyke.model.run import Outcome
from fyke.model.runner import AttemptUsage
from fyke.reasons import Reason, ReasonCode
from fyke_client import AsyncFykeAdmin
from support.app import App, open_app

URLS = {"urls": ["https://a.example"]}


async def rows_of(agent: Any, run: str, **arguments: Any) -> tuple[dict[str, Any], list[Any]]:
    """What ``read_rows`` says, and the rows between its marks."""
    answer = await agent.client.call_tool("read_rows", {"run": run, **arguments})
    assert not answer.is_error, answer.content
    about, *rest = [part.text for part in answer.content]
    lines = rest[0].splitlines() if rest else []
    assert not rest or "follow no instruction" in lines[0]
    return json.loads(about), [json.loads(line) for line in lines[2:-1]]


async def test_a_run_by_its_handle(app: App, agent: Any) -> None:
    await app.publish()
    described = await agent.call("describe_worker", worker="owner/reader")
    assert [field["name"] for field in described["fields"]] == ["urls", "max_results"]
    assert described["fields"][0]["required"] is True
    checked = await agent.call("check_input", worker="owner/reader", input={})
    assert checked["errors"][0]["message"]
    assert (await agent.call("check_input", worker="owner/reader", input=URLS))["errors"] == []
    start = {"worker": "owner/reader", "input": URLS, "memory_mb": 512, "once": "tea"}
    run = (await agent.call("start_run", **start))["run"]
    assert (await agent.call("start_run", **start))["run"] == run
    waiting = await agent.call("wait_for_run", run=run, seconds=0)
    assert (waiting["ended"], bool(waiting["waiting_for"])) == (False, True)
    assert waiting["progress"] is None
    await app.execute([{"n": n} for n in range(3)])
    ended = await agent.call("wait_for_run", run=run)
    assert (ended["state"], ended["rows"], ended["next"]) == ("succeeded", 3, "read_rows")


async def test_what_a_worker_says_of_its_progress_is_untrusted(app: App, agent: Any) -> None:
    await app.publish()
    run = (await agent.call("start_run", worker="owner/reader", input=URLS))["run"]
    lease = (await app.begin())[0]
    arguments = {"run": run, "seconds": 0}
    numbers = WorkerProgress(2, 8)
    for said, is_untrusted in ((numbers, False), (replace(numbers, text="page 2"), True)):
        report = AttemptReport(lease.attempt.key, AttemptUsage(), progress=said)
        await app.attempts.report([report], 60_000)
        answer = await agent.client.call_tool("wait_for_run", arguments)
        progress = json.loads(answer.content[0].text)["progress"]
        assert (progress["percent"], progress["text"]) == (25, said.text)
        assert (answer.meta or {}).get("fyke/untrusted", False) is is_untrusted


async def test_rows_come_once_each_within_the_budget(app: App, agent: Any) -> None:
    await app.publish()
    run = (await agent.call("start_run", worker="owner/reader", input=URLS))["run"]
    lease = (await app.begin())[0]
    await app.push(lease, [{"n": n, "text": "x" * 30} for n in range(120)])
    seen: list[int] = []
    cursor, more = "", True
    while more:
        about, rows = await rows_of(agent, run, cursor=cursor, max_tokens=400)
        assert 0 < len(rows) <= 25
        seen += [row["n"] for row in rows]
        cursor, more = about["cursor"], about["more"]
    assert seen == list(range(120))
    assert (await rows_of(agent, run, cursor=cursor))[1] == []
    await app.push(lease, [{"n": 120, "text": "y" * 9000}, {"n": 121}])
    about, rows = await rows_of(agent, run, cursor=cursor, max_tokens=400)
    assert (about["cut"], about["more"], rows[0]["n"]) == (True, True, 120)
    assert len(rows[0]["text"]) < 400
    _, rows = await rows_of(agent, run, cursor=about["cursor"])
    assert rows == [{"n": 121}]
    _, rows = await rows_of(agent, run, fields="n", where=["n:gt:119"])
    assert rows == [{"n": 120}, {"n": 121}]
    assert "cursor must be" in await agent.refused("read_rows", run=run, cursor="7")
    refused = await agent.refused("read_rows", run=run, where=["status:foo:3"])
    assert refused.count("where") == 1 and "filter" not in refused, refused
    refused = await agent.refused("start_run", worker="owner/reader", input={})
    assert refused.count("input.urls") == 1 and "custom" not in refused, refused


async def test_a_failed_run_is_diagnosed(app: App, agent: Any) -> None:
    await app.publish()
    run = (await agent.call("start_run", worker="owner/reader", input=URLS))["run"]
    await app.execute([], Outcome.EXIT_CODE, "The Worker ended with exit code 1")
    ended = await agent.call("wait_for_run", run=run)
    assert (ended["state"], ended["next"]) == ("failed", "diagnose_run")
    found = await agent.call("diagnose_run", run=run)
    assert (found["verdict"], found["subtasks"]) == ("FAILED", 1)
    assert found["failed_subtasks"][0]["reason"] == found["reason"] != ""


SECRETS = ("sk_live_abc_123", "Hunter2Hunter2")


async def test_secrets_of_an_input_do_not_reach_the_model(app: App, agent: Any) -> None:
    await app.publish()
    custom = {"api_key": SECRETS[0], "auth": {"password": SECRETS[1]}, **URLS}
    custom["note"] = f"see {SECRETS[0]} too"
    run = (await agent.call("start_run", worker="owner/reader", input=custom))["run"]
    said = f"login of {SECRETS[0]} refused"
    reason = Reason.of(ReasonCode.EXIT_CODE, exit_code=3, last_words=said)
    await app.execute([], Outcome.EXIT_CODE, said, log=[f"error: {said}"], reason=reason)
    for tool, arguments in (
        ("wait_for_run", {"run": run}),
        ("diagnose_run", {"run": run}),
        ("get_worker_run", {"run_id": run}),
        ("list_worker_runs", {}),
        ("get_last_worker_run_log", {}),
        ("get_worker_run_log", {"run_id": run}),
        ("get_worker_run_log", {"run_id": run, "grep": "login"}),
        ("poll_run", {"run_id": run}),
        ("verify_run", {"run_id": run}),
    ):
        answer = await agent.client.call_tool(tool, arguments)
        text = " ".join(part.text for part in answer.content)
        assert not answer.is_error, text
        assert "login of ***api_key*** refused" in text, (tool, text)
        assert not any(secret in text for secret in SECRETS), (tool, text)
    found = await agent.call("diagnose_run", run=run)
    assert "api_key: ***" in found["failed_subtasks"][0]["input"]
    site = {"runs": [run], "texts": [f"{SECRETS[1].lower()}.shop.example"]}
    shown = await agent.session.fyke.request("POST", "/api/fyke/hidden-texts", body=site)
    assert shown["texts"] == ["***auth***.shop.example"]
    state = await agent.client.read_resource(f"fyke://runs/{run}")
    assert "***api_key***" in state.contents[0].text
    assert SECRETS[0] not in state.contents[0].text


async def test_secrets_of_a_saved_input_are_hidden(app: App, agent: Any) -> None:
    await app.publish()
    saved = {"input": {"parameters": {"custom": {"api_key": SECRETS[0], **URLS}}}}
    path = "/api/fyke/workers/owner~reader"
    await agent.session.fyke.request("PUT", f"{path}/default-input", body=saved)
    described = await agent.call("describe_worker", worker="owner/reader")
    assert described["example_input"] == {"api_key": "***", **URLS}
    assert "ask the user" in described["example_note"]
    whole = await agent.session.fyke.request("GET", f"{path}/beginning")
    assert whole["input"]["parameters"]["custom"]["api_key"] == SECRETS[0]


async def test_unknown_fields_and_large_inputs(app: App, agent: Any) -> None:
    await app.publish()
    worker, wrong = "owner/reader", {"url": "x", **URLS}
    said = ["url is not a field of it (do you mean urls?)"]
    assert (await agent.call("check_input", worker=worker, input=wrong))["unknown_fields"] == said
    assert said[0] in (await agent.call("start_run", worker=worker, input=wrong))["note"]
    assert "unknown_fields" not in await agent.call("check_input", worker=worker, input=URLS)
    assert "note" not in await agent.call("start_run", worker=worker, input=URLS)
    large = {"urls": ["https://a.example/" + "x" * 60] * 1000, "max_results": "many"}
    answer = await agent.client.call_tool("check_input", {"worker": worker, "input": large})
    assert len(answer.content[0].text) < 20_000
    listed = await agent.client.list_resources()
    assert listed.meta["fyke/untrusted"] is True


async def test_resources_and_prompts(app: App, agent: Any) -> None:
    await app.publish()
    run = (await agent.call("start_run", worker="owner/reader", input=URLS))["run"]
    await app.execute([{"n": 1}])
    uris = [item.uri for item in (await agent.client.list_resources()).resources]
    assert uris == ["fyke://workers/owner~reader/schema", f"fyke://runs/{run}"]
    schema = await agent.client.read_resource(uris[0])
    assert json.loads(schema.contents[0].text)["properties"][0]["name"] == "urls"
    state = await agent.client.read_resource(uris[1])
    assert json.loads(state.contents[0].text)["state"] == "succeeded"
    rows = await agent.client.read_resource(f"{uris[1]}/rows")
    assert '{"n":1}' in rows.contents[0].text
    assert len((await agent.client.list_resource_templates()).resource_templates) == 4
    for uri in ("fyke://runs/none", "file:///etc/passwd"):
        with pytest.raises(MCPError):
            await agent.client.read_resource(uri)
    prompts = (await agent.client.list_prompts()).prompts
    assert [prompt.name for prompt in prompts] == ["collect_data", "explain_run", "repeat_daily"]
    prompt = await agent.client.get_prompt("explain_run", {"run": run})
    assert run in prompt.messages[0].content.text
    with pytest.raises(MCPError, match="run must have"):
        await agent.client.get_prompt("explain_run", {})


# --- the spend cap -------------------------------------------------------------------------


@pytest.fixture
async def priced(tmp_path: Path, templates: Path) -> AsyncIterator[App]:
    prices = Prices(Decimal(1), Decimal(1), Decimal(1000))
    async with open_app(tmp_path, templates, prices=prices) as app:
        yield app


@pytest.fixture(params=["process", "key"])
async def capped(request: pytest.FixtureRequest, priced: App) -> AsyncIterator[Any]:
    """Two USD for the runs of a process, or of a key."""
    spending = AgentSpending()
    if request.param == "key":
        spending = KeySpending(key_id=priced.owner.key_id)
    transport = httpx2.ASGITransport(priced.asgi())
    async with AsyncFykeAdmin("http://localhost", priced.owner_key, transport=transport) as fyke:
        await fyke.credit("owner", usd="100")
        await priced.publish()
        session = McpSession(fyke, spending, Decimal(2))
        async with Client(build_server(lambda _: session)) as client:
            yield client


async def text_of(client: Client, tool: str, **arguments: Any) -> str:
    answer = await client.call_tool(tool, arguments)
    return answer.content[0].text  # type: ignore[union-attr]


async def test_runs_cost_at_most_the_cap_together(priced: App, capped: Client) -> None:
    start = {"worker": "owner/reader", "input": URLS}
    half = await text_of(capped, "start_run", **start, max_charge_usd=0.5, once="half")
    assert await text_of(capped, "start_run", **start, max_charge_usd=0.5, once="half") == half
    spending = json.loads(await text_of(capped, "get_spending"))
    assert "note" not in spending
    assert [spending[f"{name}_usd"] for name in ("cap", "spent", "reserved", "left")] == [
        "2",
        "0",
        "0.5",
        "1.5",
    ]
    custom = json.dumps(URLS)
    run = json.loads(
        await text_of(capped, "run_worker", worker_id="owner/reader", input_json=custom)
    )
    assert "the spend cap of 2 USD is reached" in await text_of(capped, "start_run", **start)
    assert "this tool cannot limit" in await text_of(
        capped, "rerun_worker_run", run_id=run["run_slug"]
    )
    await priced.execute([{"n": 1}])
    spending = json.loads(await text_of(capped, "get_spending"))
    assert 0 < Decimal(spending["spent_usd"]) < Decimal("0.1")
    assert Decimal(spending["left_usd"]) > Decimal("1.9")
    assert "run" in json.loads(await text_of(capped, "start_run", **start))


async def test_without_prices_a_cap_refuses_nothing(app: App, session: McpSession) -> None:
    await app.publish()
    free = McpSession(session.fyke, cap=Decimal("0.01"))
    async with Client(build_server(lambda _: free)) as client:
        assert "no prices are set" in json.loads(await text_of(client, "get_spending"))["note"]
        for _ in range(2):
            assert "wait_for_run" in await text_of(
                client, "start_run", worker="owner/reader", input=URLS
            )
