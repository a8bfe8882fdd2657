"""The pool and the region of a run at its start."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fyke.contracts.state import Transaction
from fyke.domain.runs.isolation import RUNNER_SILENCE_MS
from fyke.domain.runs.outcome import HIDING
from fyke.domain.runs.placement import check_pool, known_pools, with_node_region
from fyke.domain.runs.transitions import Rules
from fyke.errors import InvalidRequest
from fyke.model.billing import Prices
from fyke.model.node_registry import Node, NodeToken
from fyke.model.runner import RunnerInfo
from support import records
from support.stores import Stores

pytestmark = pytest.mark.anyio
RULES = Rules(Prices(), HIDING, 1000, "", default_pool="workers", own_pool="small")


def node(name: str, pool: str, **labels: str) -> Node:
    return Node(name, pool, labels, "", "J", ephemeral=False, joined_at=1)


def token(name: str, pool: str, **changes: Any) -> NodeToken:
    base = NodeToken(name, name, pool, {}, "", 0, 10**13, "ada", 1)
    return replace(base, **changes)


async def test_the_pools_of_nodes_runners_valid_tokens_and_the_installation_are_known(
    stores: Stores,
) -> None:
    now = stores.clock.now_ms()

    def work(tx: Transaction) -> None:
        tx.nodes.add(node("n1", "eu"))
        runner = RunnerInfo("r", "m", "full", "", 1, 512, now, pool="joined")
        tx.runs.put_runner(runner)
        silent = replace(runner, id="s", pool="silent", heartbeat_at=now - RUNNER_SILENCE_MS - 1)
        tx.runs.put_runner(silent)
        tx.node_tokens.add(token("t1", "scaled-to-zero"))
        tx.node_tokens.add(token("t2", ""))
        tx.node_tokens.add(token("t3", "expired", expires_at=now))
        tx.node_tokens.add(token("t4", "used", uses=1, used=1))
        tx.node_tokens.add(token("t5", "revoked", revoked_at=1))

    await stores.write(work)
    known = ["eu", "joined", "scaled-to-zero", "small", "workers"]
    assert await stores.read(lambda tx: known_pools(tx, RULES)) == known
    for pool in ("", *known):
        await stores.read(lambda tx, pool=pool: check_pool(tx, RULES, pool))  # type: ignore[misc]
    with pytest.raises(InvalidRequest) as refused:
        await stores.read(lambda tx: check_pool(tx, RULES, "used"))
    assert refused.value.message == (
        "input.parameters.system.pool must be one of the pools of this installation: "
        "eu, joined, scaled-to-zero, small, workers"
    )


async def test_an_error_names_only_some_of_many_pools(stores: Stores) -> None:
    def work(tx: Transaction) -> None:
        for number in range(30):
            tx.nodes.add(node(f"n{number}", f"pool-{number:02}"))

    await stores.write(work)
    with pytest.raises(InvalidRequest, match=r"pool-00, .*pool-19, \.\.\.$"):
        await stores.read(lambda tx: check_pool(tx, RULES, "other"))


@pytest.mark.parametrize(
    ("region", "pool", "proxies", "expected"),
    [
        ("DE", "eu", (), True),
        ("FR", "eu", (), False),  # no node has it: directly, as on one machine
        ("", "eu", (), False),
        ("DE", "workers", (), False),
        ("DE", "eu", ("DE",), False),
        ("DE", "eu", ("*",), False),
        ("DE", "eu", ("FR",), True),
        ("US", "workers", (), True),  # that of a runner without a node
    ],
)
async def test_a_region_without_proxies_is_that_of_nodes_with_its_label(
    stores: Stores, region: str, pool: str, proxies: tuple[str, ...], expected: bool
) -> None:
    own = RunnerInfo(
        "r", "m", "full", "", 1, 512, stores.clock.now_ms(), pool="workers", labels={"region": "US"}
    )

    def work(tx: Transaction) -> None:
        tx.nodes.add(node("n1", "eu", region="DE"))
        tx.runs.put_runner(own)

    await stores.write(work)
    run = records.run("A", "W", region=region, pool=pool)
    rules = replace(RULES, proxy_regions=frozenset(proxies))
    started = await stores.read(lambda tx: with_node_region(tx, rules, run))
    assert started == replace(run, region_of_node=expected)
