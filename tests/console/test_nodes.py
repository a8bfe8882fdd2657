"""The pages of nodes and of tokens to join with, which only the operator can open."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from fyke import __version__
from fyke.domain.nodes.tokens import NodeTokens, TokenRequest, parse_token
from fyke.domain.runs.service import StartRequest
from fyke.kit.ids import new_ulid
from fyke.model.account import Role
from fyke.model.node import NodeState
from fyke.model.node_registry import Node
from fyke.model.run import Origin
from fyke.model.runner import NOT_MEASURED, Capacity, RunnerInfo
from fyke.model.settings_version import SettingsVersion
from fyke.reasons import Detail, DetailCode
from support.app import RUNNER, App
from support.node_seed import seed_nodes
from support.pages import Page, Visitor, visitor

pytestmark = pytest.mark.anyio

NODES, TOKENS = "/admin/nodes", "/admin/node-tokens"
FORM = {"uses": "1", "valid": "60", "pool": "", "names": "", "labels": ""}


@pytest.fixture
async def member(app: App) -> AsyncIterator[Visitor]:
    """A member of the operator's account."""
    user, _ = await app.services.users.invite(app.owner, "mia", Role.MEMBER.value)
    async with visitor(app, user.id) as someone:
        yield someone


@pytest.fixture
async def viewer(app: App) -> AsyncIterator[Visitor]:
    user, _ = await app.services.users.invite(app.owner, "vic", Role.VIEWER.value)
    async with visitor(app, user.id) as someone:
        yield someone


async def add_node(app: App, name: str = "n1", **members: Any) -> None:
    """A connected node whose runner is ``R-NAME``."""
    runner = members.pop("runner", {})

    def work(tx: Any) -> None:
        node = Node(name, "eu", {"gpu": "no"}, "", "J", False, 5, runner_id=f"R-{name}", epoch=1)
        tx.nodes.add(
            replace(
                node, **{"seen_at": tx.now, "gateway_id": "G1", "release": __version__} | members
            )
        )
        info = RunnerInfo(f"R-{name}", name, "full", "", 8, 8192, tx.now, place=f"node/{name}")
        tx.runs.put_runner(replace(info, **runner))

    await app.storage.write(work)


async def node(app: App, name: str = "n1") -> Node:
    return (await app.services.nodes.get(app.owner, name)).node


def rows(page: Page) -> dict[str, str]:
    """The text of each row of the first table, by its first link."""
    found = {}
    for row in page.all("(//table)[1]/tbody/tr"):
        found[row.xpath(".//a")[0].text] = " ".join(row.text_content().split())
    return found


async def test_other_accounts_open_none_of_the_pages(app: App, owner: Visitor) -> None:
    await add_node(app)
    assert (await owner.get("/admin")).all(f"//nav//a[@href='{NODES}']")
    pages = (NODES, f"{NODES}/n1", f"/admin/machines/{RUNNER}", TOKENS, f"{TOKENS}/new")
    actions = (
        *(f"{NODES}/n1/{action}" for action in ("cordon", "uncordon", "drain", "forget")),
        f"{TOKENS}/new",
        f"{TOKENS}/T1/revoke",
    )
    async with visitor(app, app.other.user_id) as stranger:
        for page in pages:
            await stranger.get(page, status=403)
        for action in actions:
            await stranger.post(action, {**FORM, "name": "n1", "minutes": "0"}, status=403)
    assert (await node(app)).state is NodeState.READY


async def test_the_machine_of_the_installation_comes_first(app: App, owner: Visitor) -> None:
    await app.register_runner()
    page = await owner.get(NODES)
    assert rows(page) == {
        "node": "node this installation default Connected 0 0 of 8 cores 0 MiB of 8 GiB full "
        f"{__version__} now",
    }
    assert not page.all("//td[@data-label='Attempts']//svg")
    commands = page.all("//code[@class='command']/text()")
    assert commands == [
        "fyke node token",
        "fyke node join 127.0.0.1:8110 --name NAME --token TOKEN",
        "fyke node up",
    ]
    assert "Only this machine can reach 127.0.0.1:8110" in page.text
    await add_node(app)
    page = await owner.get(NODES)
    assert list(rows(page)) == ["node", "n1"] and not page.all("//code[@class='command']")


async def test_the_last_attempts_of_a_machine_are_a_picture(app: App, owner: Visitor) -> None:
    await app.register_runner()
    worker = await app.publish()
    body = {"parameters": {"custom": {"urls": [{"url": "https://a.example/"}]}}}
    request = StartRequest(worker.id, None, body, "", Origin.WEB)
    run = await app.services.runs.start(app.owner, request)
    await app.execute([{"n": 1}])
    page = await owner.get(NODES)
    assert page.all("//td[@data-label='Attempts']//svg/a/@href") == [f"/runs/{run.id}"]
    assert (
        "The last attempt: 1 succeeded" in page.one("//td[@data-label='Attempts']").text_content()
    )


async def test_with_sqlite_the_missing_setting_is_named(app: App) -> None:
    app.services.gateway = ""
    authority: Any = None
    app.services.node_tokens = NodeTokens(app.storage, authority, shared=False)
    async with visitor(app) as owner:
        page = await owner.get(NODES)
        assert "No runner is connected" in page.text
        assert "Nodes need PostgreSQL, and this installation uses SQLite" in page.text
        assert not page.all(f"//a[starts-with(@href, '{TOKENS}')]")
        page = await owner.get(TOKENS)
        assert page.all(f"//main//a[@href='{NODES}']") and "No valid token" in page.text
        assert not page.all(f"//a[@href='{TOKENS}/new']")
        page = await owner.post(f"{TOKENS}/new", FORM, status=422)
        assert "Nodes need PostgreSQL" in page.one("//*[@role='alert']").text_content()


async def test_each_state_is_shown_in_words(app: App, owner: Visitor) -> None:
    await app.register_runner()
    await seed_nodes(app)
    page = await owner.get(NODES)
    shown = rows(page)
    assert len(shown) == 13
    for name, words in {
        "n1": "Connected",
        "n3": "Cordoned by ada 12 minutes ago.",
        "n4": "Drained No attempt is left on it.",
        "n5": "Not connected yet Start it there with fyke node up.",
        "lab": "Only own Workers",
        "eu-west-3": "Cannot start The egress process does not answer",
        "eu-west-2": "0.0.9 differs",
        "an-engine-made-this-name.eu-central-1.compute.internal": "It has not reported since",
    }.items():
        assert words in shown[name], shown[name]
    assert shown["n5"].endswith("never") and "no limits" in shown["lab"]
    sums = [item.text_content() for item in page.all("//dl[contains(@class, 'figures')]//dd")]
    assert sums == ["7 of 13", "0", "0 of 106.5", "0 MiB of 268 GiB"]


async def test_seeded_machines_serve_the_pools_of_their_nodes(app: App) -> None:
    """Or else screenshots say of each pool that no machine of it is connected."""
    await seed_nodes(app)
    nodes = await app.storage.read(lambda tx: tx.nodes.all())
    runners = await app.storage.read(lambda tx: {one.id: one for one in tx.runs.runners(0)})
    placed = {
        node.runner_id: (node.pool, node.labels) for node in nodes if node.runner_id in runners
    }
    assert {pool for pool, _ in placed.values()} == {"default", "eu", "gpu"}
    assert placed == {key: (runners[key].pool, runners[key].labels) for key in placed}


async def test_a_node_that_was_stopped_is_not_called_silent(app: App, owner: Visitor) -> None:
    await add_node(app, gateway_id="", state=NodeState.CORDONED, state_by="ada")
    await app.storage.write(lambda tx: tx.runs.drop_runner("R-n1"))
    text = rows(await owner.get(NODES))["n1"]
    assert "Stopped It was stopped on the machine itself. Cordoned by ada" in text


@pytest.mark.parametrize("level", ["none", "full"])
async def test_a_runner_that_takes_nothing_says_why(app: App, owner: Visitor, level: str) -> None:
    is_stopping = level == "full"
    await add_node(app, runner={"isolation": level, "draining": is_stopping})
    text = rows(await owner.get(NODES))["n1"]
    words = "Being stopped It is being stopped on the machine itself."
    assert (words if is_stopping else "No isolation An isolation check failed") in text


async def test_a_drain_says_when_it_ends(app: App, owner: Visitor) -> None:
    await add_node(app, state=NodeState.DRAINING, state_by="ada")
    await start(app, "R-n1")
    now = (await node(app)).seen_at
    for left, words in ((60_000, "Attempts may go on until"), (-1, "are being stopped")):
        changed = replace(await node(app), drain_until=now + left)
        await app.storage.write(lambda tx, changed=changed: tx.nodes.change(changed))
        text = (await owner.get(f"{NODES}/n1")).text
        assert words in text and "Draining" in text


async def start(app: App, runner_id: str, *, is_others: bool = False, node: str = "n1") -> str:
    """Start a run, of the other account or of the owner, whose attempt the runner leases."""
    caller = app.other if is_others else app.owner
    name = "theirs" if is_others else "mine"
    worker = await app.publish(name, caller=caller)
    body = {"parameters": {"custom": {"urls": [{"url": "https://a.example/"}]}}}
    run = await app.services.runs.start(caller, StartRequest(worker.id, None, body, "", Origin.WEB))
    room = Capacity(cpus=8, memory_mb=8192, slots=8)
    await app.storage.write(lambda tx: tx.runs.lease(runner_id, room, tx.now + 60_000, node=node))
    return run.id


async def test_the_page_of_a_node_shows_what_runs_there(app: App, owner: Visitor) -> None:
    checks = (("uid", True, "1000"), ("seccomp", False, "mode 0"))
    runner = {"checks": checks, "browsers": 2, "unsafe": True}
    await add_node(app, runner=runner, address="192.0.2.9")
    mine = await start(app, "R-n1")
    theirs = await start(app, "R-n1", is_others=True)
    page = await owner.get(f"{NODES}/n1")
    [row, other] = page.all("//section[@aria-labelledby='attempts']//tbody/tr")
    assert row.xpath(f".//a[@href='/runs/{mine}']") and "owner/mine" in row.text_content()
    assert theirs in other.text_content() and not other.xpath(".//a")
    assert "theirs" not in other.text_content() and "other" in other.text_content()
    assert "2 attempts at a time" in page.text and "192.0.2.9" in page.text
    cells = [
        row.text_content().split() for row in page.all("//*[@aria-labelledby='isolation']//tr")
    ]
    assert [cell[0] for cell in cells[1:]] == ["seccomp", "uid"]
    part = await owner.get(f"{NODES}/n1", part=True)
    assert part.one("/html/body/div | /div").get("id") == "live" and not part.all("//form")
    page = await owner.get(f"{NODES}/absent", status=404)
    assert "There is no node absent." in page.text
    assert page.all(f"//main//p/a[@href='{NODES}']")
    part = await owner.get(f"{NODES}/absent", part=True, status=404)
    assert "There is no node absent." in part.text and not part.all("//nav")


@pytest.mark.parametrize(
    ("number", "shown"),
    [(2, "2"), (1, "1 the installation has version 2"), (0, "- the installation has version 2")],
)
async def test_the_page_of_a_node_shows_which_settings_it_has(
    app: App, owner: Visitor, number: int, shown: str
) -> None:
    term = "//dt[. = 'Version of the settings']"
    await add_node(app, runner={"settings_version": number})
    assert not (await owner.get(f"{NODES}/n1")).all(term)
    version = SettingsVersion(2, {}, "", (), "host", "place", 1)
    await app.storage.write(lambda tx: tx.settings.add(version))
    page = await owner.get(f"{NODES}/n1")
    value = page.one(f"{term}/following-sibling::dd[1]").text_content()
    assert " ".join(value.split()) == shown


@pytest.mark.parametrize(
    ("members", "disk", "clock"),
    [
        ({"disk_free": 50 * 10**9}, "47 GiB of 93 GiB free", "as that of the database"),
        ({"disk_free": 10**6}, "1 MiB of 93 GiB free nearly full", "as that of the database"),
        (
            {"ahead_ms": 65_000},
            "0 MiB of 93 GiB free nearly full",
            "1 min 5 s ahead of the database",
        ),
        (
            {"cache_bytes": NOT_MEASURED},
            "0 MiB of 93 GiB free nearly full",
            "as that of the database",
        ),
        ({"ahead_ms": -2500}, "0 MiB of 93 GiB free nearly full", "2.5 s behind the database"),
    ],
)
async def test_the_page_of_a_node_shows_its_disk_and_clock(
    app: App, owner: Visitor, members: dict[str, Any], disk: str, clock: str
) -> None:
    await add_node(app)
    assert not (await owner.get(f"{NODES}/n1")).all("//dt[. = 'Disk']")
    ahead = members.pop("ahead_ms", 0)

    def work(tx: Any) -> None:
        [runner] = [one for one in tx.runs.runners(0) if one.node == "n1"]
        known = {"disk_total": 10**11, "disk_floor": 2**28, "cache_bytes": 2 * 10**9, **members}
        tx.runs.put_runner(replace(runner, clock_ms=runner.heartbeat_at + ahead, **known))

    await app.storage.write(work)
    page = await owner.get(f"{NODES}/n1")
    shown = {
        term: " ".join(
            page.one(f"//dt[. = '{term}']/following-sibling::dd[1]").text_content().split()
        )
        for term in ("Disk", "Caches", "Clock")
    }
    caches = "not measured yet" if members.get("cache_bytes") == NOT_MEASURED else "1.9 GiB"
    assert shown == {"Disk": disk, "Caches": caches, "Clock": clock}


async def test_the_machine_of_the_installation_has_a_page_without_actions(
    app: App, owner: Visitor
) -> None:
    await app.register_runner()
    run = await start(app, RUNNER)
    page = await owner.get(f"/admin/machines/{RUNNER}")
    assert page.all(f"//a[@href='/runs/{run}']") and not page.all("//main//form")
    await owner.get("/admin/machines/absent", status=404)


async def test_the_machine_of_the_installation_has_no_id_for_a_name(
    app: App, owner: Visitor
) -> None:
    await app.register_runner()

    def rename(tx: Any) -> None:
        [runner] = tx.runs.runners(0)
        tx.runs.put_runner(replace(runner, node=own))

    own = new_ulid()
    await app.storage.write(rename)
    run = await start(app, RUNNER, node=own)
    page = await owner.get(NODES)
    assert rows(page)["this installation"].startswith("this installation default Connected")
    pages = [await owner.get(f"/admin/machines/{RUNNER}"), await owner.get("/admin/isolation")]
    pages += [await owner.get(f"/runs/{run}{tab}") for tab in ("", "/subtasks")]
    for shown in (page, *pages):
        assert "this installation" in shown.text and own not in shown.raw
    assert pages[0].one("//h1").text == "this installation"


async def test_of_several_machines_of_the_installation_the_ids_are_shown(
    app: App, owner: Visitor
) -> None:
    names = [new_ulid(), new_ulid()]

    def add(tx: Any) -> None:
        for number, name in enumerate(names):
            info = RunnerInfo(f"R{number}", name, "full", "", 8, 8192, tx.now, place=f"p{number}")
            tx.runs.put_runner(info)

    await app.storage.write(add)
    page = await owner.get(NODES)
    assert all(name in page.text for name in names)


@pytest.mark.parametrize(
    ("state", "words"),
    [(NodeState.CORDONED, "Cordoned by ada"), (NodeState.DRAINING, "Drained by ada")],
)
async def test_a_decision_about_a_node_that_has_not_connected_is_shown(
    app: App, owner: Visitor, state: NodeState, words: str
) -> None:
    await add_node(app, state=state, state_by="ada", seen_at=5)
    for page in (await owner.get(NODES), await owner.get(f"{NODES}/n1")):
        assert "Not connected yet" in page.text and words in page.text
        assert "Start it there with fyke node up." in page.text


async def test_nodes_are_filtered_by_their_pool(app: App, owner: Visitor) -> None:
    await app.register_runner()
    await seed_nodes(app)
    page = await owner.get(f"{NODES}?pool=gpu")
    assert list(rows(page)) == ["gpu-1", "gpu-2"] and page.value("pool") == "gpu"
    assert page.one("//div[@id='machines']").get("hx-get") == f"{NODES}?pool=gpu"
    part = await owner.get(f"{NODES}?pool=gpu", part=True)
    assert list(rows(part)) == ["gpu-1", "gpu-2"] and not part.all("//form")
    page = await owner.get(f"{NODES}?pool=%3Cb%3E")
    assert "No node is in the pool “<b>”" in page.text and page.value("pool") == "<b>"


async def test_a_node_is_cordoned_drained_and_uncordoned(app: App, member: Visitor) -> None:
    await add_node(app)
    await member.post(f"{NODES}/n1/cordon")
    page = await member.get(f"{NODES}/n1")
    assert "n1 takes no new attempts." in page.text and "Cordoned by mia" in page.text
    assert (await node(app)).state is NodeState.CORDONED
    for minutes in ("", "soon", "-1", "10081"):
        page = await member.post(f"{NODES}/n1/drain", {"minutes": minutes}, status=422)
        assert "at most 10080 (7 days)." in page.one("//p[@id='f-minutes-fault']").text_content()
        assert page.value("minutes") == minutes
    assert (await node(app)).state is NodeState.CORDONED
    await member.post(f"{NODES}/n1/drain", {"minutes": "90"})
    drained = await node(app)
    assert drained.drain_until - drained.state_at == 90 * 60_000
    await member.post(f"{NODES}/n1/uncordon")
    assert (await node(app)).state is NodeState.READY
    await member.post(f"{NODES}/absent/cordon", status=404)


async def test_a_node_of_an_engine_is_replaced(app: App, member: Visitor) -> None:
    button = "//button[@formaction='/admin/nodes/n1/replace']"
    await add_node(app)
    assert not (await member.get(f"{NODES}/n1")).all(button)
    await member.post(f"{NODES}/n1/replace", {"minutes": "5"}, status=400)
    await add_node(app, "n2", ephemeral=True)
    assert (await member.get(f"{NODES}/n2")).all(button.replace("n1", "n2"))
    await member.post(f"{NODES}/n2/replace", {"minutes": "5"})
    made = await node(app, "n2")
    assert made.replacing and made.drain_until - made.state_at == 300_000
    page = await member.get(f"{NODES}/n2")
    assert "n2 takes no new attempts, and is replaced when none is left." in page.text
    assert "the engine that runs it replaces it." in page.text
    assert not page.all(button.replace("n1", "n2"))


async def test_only_an_owner_forgets_a_node_and_enters_its_name(
    app: App, owner: Visitor, member: Visitor
) -> None:
    await add_node(app)
    assert not (await member.get(f"{NODES}/n1")).all("//form[contains(@action, '/forget')]")
    await member.post(f"{NODES}/n1/forget", {"name": "n1"}, status=403)
    page = await owner.post(f"{NODES}/n1/forget", {"name": "n2"}, status=422)
    assert "Enter n1 to confirm." in page.text
    assert (await node(app)).name == "n1"
    assert (await owner.post(f"{NODES}/n1/forget", {"name": "n1"})).location == NODES
    assert "n1 is forgotten." in (await owner.get(NODES)).text
    await owner.get(f"{NODES}/n1", status=404)


async def test_a_viewer_changes_nothing(app: App, viewer: Visitor) -> None:
    await add_node(app)
    await viewer.get(f"{NODES}/n1", status=403)
    for action in ("cordon", "uncordon", "drain", "replace", "forget"):
        await viewer.post(f"{NODES}/n1/{action}", {"minutes": "1", "name": "n1"}, status=403)
    assert (await node(app)).state is NodeState.READY


async def test_the_events_of_a_node_are_for_owners(
    app: App, owner: Visitor, member: Visitor
) -> None:
    await add_node(app)
    await add_node(app, "n2")
    await app.services.nodes.cordon(app.owner, "n2")
    await owner.post(f"{NODES}/n1/drain", {"minutes": "2"})
    await owner.post(f"{NODES}/n1/uncordon")
    page = await owner.get(f"{NODES}/n1")
    events = page.all("//section[@aria-labelledby='events']//tbody/tr")
    assert [row.xpath("td[3]")[0].text for row in events] == [
        "Uncordoned a node",
        "Began to drain a node",
    ]
    assert "within 2 minutes" in events[1].text_content()
    assert not (await member.get(f"{NODES}/n1")).all("//section[@aria-labelledby='events']")


async def test_a_token_is_made_shown_once_and_revoked(app: App, owner: Visitor) -> None:
    assert "No valid token" in (await owner.get(TOKENS)).text
    form = {"uses": "5", "valid": "10080", "pool": "gpu", "names": "gpu-*", "labels": "a=b\n\nc=d"}
    page = await owner.post(f"{TOKENS}/new", form, status=200)
    command = page.one("//output[@id='secret']").text
    before, _, after = command.partition(" --token ")
    text, _, options = after.partition(" ")
    assert before == "fyke node join 127.0.0.1:8110" and parse_token(text)
    assert options == "--name NAME --label a=b --label c=d"
    assert "matches gpu-*" in page.text and "Only this machine can reach" in page.text
    [token] = await app.services.node_tokens.list(app.owner)
    assert (token.pool, token.labels, token.uses) == ("gpu", {"a": "b", "c": "d"}, 5)
    assert token.expires_at - token.created_at == 7 * 24 * 3600 * 1000
    page = await owner.get(TOKENS)
    assert "fyken_" not in page.raw and "0 of 5" in page.text and "gpu-*" in page.text
    revoke = f"{TOKENS}/{token.id}/revoke"
    assert page.one("//td//form").get("action") == revoke
    await owner.post(revoke)
    page = await owner.get(TOKENS)
    assert "The token was revoked." in page.text and "Ended tokens" in page.text
    await owner.post(revoke)
    assert "The token was already revoked." in (await owner.get(TOKENS)).text
    await owner.post(f"{TOKENS}/absent/revoke", status=404)


@pytest.mark.parametrize(
    ("changed", "field", "words"),
    [
        ({"uses": "2"}, "uses", "Must be 1 for a token without a pool"),
        ({"uses": ""}, "uses", "Enter a whole number."),
        ({"uses": "-1"}, "uses", "Must be 0 to 10000"),
        ({"valid": ""}, "valid", "Choose a time."),
        ({"valid": "43201"}, "valid", "at most 43200"),
        ({"pool": "<b>"}, "pool", "lower-case letters"),
        ({"names": "a*b*"}, "names", "at most one asterisk"),
        ({"labels": "gpu"}, "labels", "Enter one NAME=VALUE a line"),
        ({"labels": "a=1\na=2"}, "labels", "each name once"),
        ({"labels": "A=1"}, "labels", "name of a label"),
    ],
)
async def test_what_is_wrong_with_a_token_is_at_its_field(
    app: App, owner: Visitor, changed: dict[str, str], field: str, words: str
) -> None:
    page = await owner.post(f"{TOKENS}/new", FORM | changed, status=422)
    assert words in page.one(f"//p[@id='f-{field}-fault']").text_content()
    assert page.value(field) == changed[field] or field == "valid"
    assert await app.services.node_tokens.list(app.owner) == []


async def test_all_that_is_wrong_with_a_token_is_said_at_once(
    app: App, owner: Visitor, member: Visitor
) -> None:
    wrong = {"uses": "", "valid": "", "labels": "gpu", "pool": "<b>", "names": "a*b*"}
    page = await owner.post(f"{TOKENS}/new", FORM | wrong, status=422)
    for field, words in {
        "uses": "Enter a whole number.",
        "valid": "Choose a time.",
        "labels": "Enter one NAME=VALUE a line",
        "pool": "lower-case letters",
        "names": "at most one asterisk",
    }.items():
        assert words in page.one(f"//p[@id='f-{field}-fault']").text_content()
    await member.post(f"{TOKENS}/new", FORM | wrong, status=403)


async def test_only_owners_see_tokens(app: App, member: Visitor) -> None:
    made = await app.services.node_tokens.create(app.owner, TokenRequest())
    for page in (TOKENS, f"{TOKENS}/new"):
        await member.get(page, status=403)
    await member.post(f"{TOKENS}/new", FORM, status=403)
    await member.post(f"{TOKENS}/{made.token.id}/revoke", status=403)
    assert not (await member.get(NODES)).all(f"//a[starts-with(@href, '{TOKENS}')]")
    [token] = await app.services.node_tokens.list(app.owner)
    assert not token.revoked_at


HOSTILE = "<img src=x onerror=alert(1)>\"'"


async def test_what_a_node_says_of_itself_stays_text(app: App, owner: Visitor) -> None:
    """Names, pools and labels have rules, which another release may not have had."""
    runner = {
        "checks": ((HOSTILE, False, HOSTILE),),
        "isolation": HOSTILE,
        "reason": HOSTILE,
        "trouble": Detail(DetailCode.UNFORESEEN, {"problem": HOSTILE}),
        "browsers": 1,
        "browser_problem": HOSTILE,
    }
    await add_node(
        app,
        HOSTILE,
        pool=HOSTILE,
        labels={HOSTILE: HOSTILE},
        release=HOSTILE,
        address=HOSTILE,
        runner=runner,
    )
    page = await owner.get(NODES)
    assert HOSTILE in page.text and not page.all("//img")
    [address] = page.all("//table//a/@href")
    page = await owner.get(address)
    assert page.one("//h1").text == HOSTILE and not page.all("//img")
    assert page.text.count(HOSTILE) > 6
    await owner.post(f"{address}/cordon")
    assert not (await owner.get(address)).all("//img")
