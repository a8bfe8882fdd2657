"""Nodes and their tokens over the API: answers, errors, and that a text is shown once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fyke.domain.nodes.authority import NodeAuthority
from fyke.domain.nodes.machines import Availability
from fyke.domain.nodes.tokens import NodeTokens, parse_token
from fyke.kit.certificates import fingerprint
from fyke.kit.clock import SystemClock
from fyke.kit.sealing import Sealer
from fyke.model.account import Role, Scope
from fyke.model.node import NodeState
from fyke.model.node_registry import Node
from fyke.model.runner import RunnerInfo
from fyke.model.settings_version import SettingsVersion
from fyke.reasons import Detail, DetailCode, Reason, ReasonCode
from fyke.wire.fyke.nodes import (
    CreatedNodeToken,
    NodeDemand,
    NodeItem,
    NodeList,
    NodeTokenList,
)
from support.answers import reads_as
from support.api import Api, client, fails, start_body
from support.app import SECRET, App

pytestmark = pytest.mark.anyio

NODES, TOKENS = "/api/fyke/nodes", "/api/fyke/node-tokens"
WANTED = {"pool": "eu", "labels": {"gpu": "no"}, "names": "gpu-*", "uses": 3, "minutes": 90}


async def add_node(app: App, **members: Any) -> None:
    node = Node("n1", "eu", {"gpu": "no"}, "", "J1", False, 5000, **members)
    await app.storage.write(lambda tx: tx.nodes.add(node))


async def test_a_token_is_shown_once_and_listed_without_its_text(app: App, api: Api) -> None:
    made = reads_as(CreatedNodeToken, await api.post(TOKENS, WANTED))
    secret, authority = parse_token(made.token)
    known = await NodeAuthority(app.storage, Sealer(SECRET), SystemClock()).find()
    assert known is not None and authority == fingerprint(known.certificate)
    assert made.gateway == "127.0.0.1:8110" and made.token not in repr(made)
    answer = await api.get(TOKENS)
    [listed] = reads_as(NodeTokenList, answer).items
    assert secret not in answer.text
    assert (listed.id, listed.pool, listed.labels) == (made.id, "eu", {"gpu": "no"})
    assert (listed.names, listed.uses, listed.used) == ("gpu-*", 3, 0)
    assert listed.expires_at - listed.created_at == 90 * 60
    assert (listed.created_by, listed.revoked_at) == ("owner", 0)


async def test_a_token_has_defaults(api: Api) -> None:
    made = reads_as(CreatedNodeToken, await api.post(TOKENS))
    assert (made.pool, made.labels, made.names, made.uses) == ("", {}, "", 1)
    assert made.expires_at - made.created_at == 3600


async def test_a_token_is_revoked_once(api: Api) -> None:
    token = (await api.ok(TOKENS, WANTED))["id"]
    assert (await api.send("DELETE", f"{TOKENS}/{token}")).status_code == 200
    [listed] = reads_as(NodeTokenList, await api.get(TOKENS)).items
    assert listed.revoked_at
    fails(
        await api.send("DELETE", f"{TOKENS}/{token}"), 400, 4000, "This token was revoked already"
    )
    answer = await api.send("DELETE", f"{TOKENS}/absent")
    fails(answer, 404, 4040, "list the tokens to see their ids")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"uses": 2}, "uses must be 1 for a token without a pool; name a pool"),
        ({"uses": "many"}, "uses must be an integer"),
        ({"minutes": 43201}, "minutes must be more than 0 and at most 43200, which is 30 days"),
        ({"minutes": 0}, "minutes must be more than 0"),
        ({"pool": "E U"}, "pool must have 1 to 63 lower-case letters"),
        ({"names": "a*b*"}, "names must have 1 to 63 lower-case letters"),
        ({"labels": {"A": "b"}}, "labels: the name of a label has 1 to 63"),
        ({"labels": {"a": 1}}, "labels must be a string"),
        ({"labels": ["a=b"]}, "labels must be an object"),
    ],
)
@pytest.mark.common_app
async def test_a_wrong_request_names_field_rule_and_remedy(
    api: Api, body: dict[str, Any], words: str
) -> None:
    fails(await api.post(TOKENS, body), 400, 4000, words)


async def test_with_sqlite_the_missing_setting_is_named(app: App) -> None:
    authority = NodeAuthority(app.storage, Sealer(SECRET), SystemClock())
    app.services.node_tokens = NodeTokens(app.storage, authority, shared=False)
    async with client(app.asgi()) as http:
        answer = await Api(http, app.owner_key).post(TOKENS)
    fails(answer, 400, 4000, "Nodes need PostgreSQL", "set database_url", "how-to/postgresql.md")
    assert await authority.find() is None


async def test_a_node_is_shown_with_what_was_decided(app: App, api: Api) -> None:
    reason = Reason.of(ReasonCode.DISK_FULL, free_mb=1, floor_mb=2)
    await add_node(
        app, state=NodeState.CORDONED, state_by="ada", state_at=6000, reason=reason,
        address="192.0.2.1", release="0.2.0", seen_at=7000,
    )  # fmt: skip
    node = reads_as(NodeItem, await api.get(f"{NODES}/n1"))
    assert reads_as(NodeList, await api.get(NODES)).items == [node]
    assert (node.name, node.pool, node.labels, node.ephemeral) == ("n1", "eu", {"gpu": "no"}, False)
    assert (node.state, node.state_by, node.state_at) == (NodeState.CORDONED, "ada", 6)
    assert node.reason_code == "disk_full" and "1" in node.reason and node.reason_params
    assert (node.connected, node.attempts) == (False, 0)
    assert (node.address, node.release, node.joined_at, node.seen_at) == (
        "192.0.2.1", "0.2.0", 5, 7,
    )  # fmt: skip


async def test_a_node_is_shown_with_what_it_has(app: App, api: Api) -> None:
    await add_node(app, runner_id="R1", gateway_id="G1", seen_at=5000)  # as it joins with
    bare = reads_as(NodeItem, await api.get(f"{NODES}/n1"))
    assert (bare.joined_at, bare.seen_at) == (5, 0)
    assert (bare.availability, bare.isolation) == (Availability.NOT_CONNECTED, "")
    assert (bare.cpus, bare.cpus_taken, bare.memory, bare.memory_taken) == (0, 0, 0, 0)

    def report(tx: Any) -> None:
        stored = tx.nodes.get("n1")
        tx.nodes.change(replace(stored, seen_at=tx.now))
        trouble = Detail(DetailCode.EGRESS_AWAY)
        runner = RunnerInfo("R1", "n1", "no-limits", "why", 2.5, 4096, tx.now, place="node/n1")
        runner = replace(
            runner,
            checks=(("seccomp", True, "on"), ("limits", False, "no cgroup")),
            disk_free=10**9,
            disk_total=2**40,
            disk_floor=2**28,
            cache_bytes=7,
            clock_ms=tx.now + 2500,
        )
        tx.runs.put_runner(replace(runner, trouble=trouble, browsers=3, settings_version=1))
        for number in (1, 2):
            tx.settings.add(SettingsVersion(number, {}, "", (), "host", "place", 1))

    await app.storage.write(report)
    node = reads_as(NodeItem, await api.get(f"{NODES}/n1"))
    assert (node.availability, node.connected) == (Availability.TROUBLE, True)
    assert node.trouble == "the egress process does not answer"
    assert (node.isolation, node.isolation_reason) == ("no-limits", "why")
    assert (node.cpus, node.memory, node.browsers) == (2.5, 4096, 3)
    assert [(check.name, check.seen) for check in node.failed_checks] == [("limits", "no cgroup")]
    assert (node.disk_free, node.disk_total, node.disk_floor) == (10**9, 2**40, 2**28)
    assert (node.caches, node.clock_ahead) == (7, 2.5)
    assert (bare.failed_checks, bare.disk_total, bare.clock_ahead) == ([], 0, 0)
    assert bare.caches is None
    assert (bare.settings_version, bare.newest_settings) == (0, 0)
    assert (node.settings_version, node.newest_settings) == (1, 2)


async def test_a_node_is_cordoned_drained_uncordoned_and_forgotten(app: App, api: Api) -> None:
    await add_node(app)
    at = f"{NODES}/n1"
    cordoned = reads_as(NodeItem, await api.post(f"{at}/cordon"))
    assert (cordoned.state, cordoned.state_by, cordoned.reason) == (NodeState.CORDONED, "owner", "")
    drained = reads_as(NodeItem, await api.post(f"{at}/drain", {"seconds": 60}))
    assert drained.state is NodeState.DRAINING
    assert 59 <= drained.drain_until - drained.state_at <= 61
    later = reads_as(NodeItem, await api.post(f"{at}/drain"))
    assert 3599 <= later.drain_until - later.state_at <= 3601
    ready = reads_as(NodeItem, await api.post(f"{at}/uncordon"))
    assert (ready.state, ready.drain_until) == (NodeState.READY, 0)
    assert (await api.send("DELETE", at)).status_code == 200
    assert reads_as(NodeList, await api.get(NODES)).items == []
    fails(await api.get(at), 404, 4040, "list the nodes to see their names")


async def test_a_drain_that_is_too_long_is_refused(app: App, api: Api) -> None:
    await add_node(app)
    answer = await api.post(f"{NODES}/n1/drain", {"seconds": 604_801})
    fails(answer, 400, 4000, "seconds must be 0 to 604800, which is 7 days")


async def test_a_node_of_an_engine_is_replaced(app: App, api: Api) -> None:
    await add_node(app)
    fails(await api.post(f"{NODES}/n1/replace"), 400, 4000, "no engine has made it")
    made = (await app.services.nodes.get(app.owner, "n1")).node
    await app.storage.write(lambda tx: tx.nodes.change(replace(made, ephemeral=True)))
    node = reads_as(NodeItem, await api.post(f"{NODES}/n1/replace", {"seconds": 60}))
    assert (node.state, node.replacing) == (NodeState.DRAINING, True)
    assert 59 <= node.drain_until - node.state_at <= 61


async def test_a_key_that_reads_is_enough_for_fyke_fleet(app: App, api: Api) -> None:
    """As in docs/how-to/kubernetes.md: made by a member, who is then given the role viewer."""
    await add_node(app)
    user, _ = await app.services.users.invite(app.owner, "fleet", "member")
    member = replace(app.owner, user_id=user.id, user_name="fleet", role=Role.MEMBER, local=False)
    scopes = frozenset({Scope.ADMIN})
    key = (await app.services.accounts.create_key(member, "fleet", scopes=scopes)).key
    await app.services.users.change_role(app.owner, "fleet", "viewer")

    [node] = reads_as(NodeList, await api.get(NODES, key=key)).items
    assert node.name == "n1"
    assert reads_as(NodeDemand, await api.get("/api/fyke/node-demand", key=key)).items
    for path, body in (
        (f"{NODES}/n1/drain", {}),
        (f"{NODES}/n1/replace", {}),
        (TOKENS, {}),
        ("/api/fyke/users", {"name": "another"}),
    ):
        fails(await api.post(path, body, key=key), 401, 4010, "role")
    fails(await api.send("DELETE", f"{NODES}/n1", key=key), 401, 4010, "role")
    assert (await api.get("/api/v2/worker-runs", key=key)).status_code == 403
    assert (await api.get(f"{NODES}/n1")).status_code == 200


async def test_the_demand_has_every_known_pool(app: App, api: Api) -> None:
    await add_node(app)
    worker = await app.publish()
    await api.ok("/api/v1/scraper/run", start_body(worker.id))
    leases = len(await app.lease())
    items = reads_as(NodeDemand, await api.get("/api/fyke/node-demand")).items
    assert [(item.pool, item.waiting, item.running) for item in items] == [
        ("default", 0, leases),
        ("eu", 0, 0),
    ]
