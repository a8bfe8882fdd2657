"""Nodes in every state, and tokens for nodes: see ``script/screenshots``."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from fyke import __version__
from fyke.domain.nodes.tokens import TokenRequest
from fyke.model.browser import BrowserProgram
from fyke.model.node import NodeState
from fyke.model.node_registry import Node
from fyke.model.runner import NODE_PLACE, RunnerInfo
from fyke.reasons import Detail, DetailCode
from support.app import RUNNER, App

CHECKS = (
    ("user namespace", True, "user 1000 inside"),
    ("seccomp", True, "mode 2, every call returned as expected"),
    ("limits", True, "cpu, memory, pids"),
)
NO_LIMITS = (*CHECKS[:2], ("limits", False, "no hard limit for memory: memory.max is read-only"))
MINUTE = 60_000
DAY = 24 * 60 * MINUTE


def _node(name: str, pool: str, **members: Any) -> Node:
    values = {
        "labels": {},
        "release": __version__,
        "address": "192.0.2.17",
        "epoch": 1,
        "runner_id": f"R-{name}",
        "gateway_id": "G1",
    }
    return Node(
        name=name,
        pool=pool,
        region="",
        join_id=f"J-{name}",
        ephemeral=pool != "default",
        joined_at=0,
        **values | members,
    )


def _runner(node: Node, **members: Any) -> RunnerInfo:
    values = {"cpus": 8.0, "memory_mb": 16_384, "checks": CHECKS, "isolation": "full"} | members
    return RunnerInfo(
        id=node.runner_id,
        node=node.name,
        reason="limits: memory.max is read-only" if values["isolation"] != "full" else "",
        heartbeat_at=0,
        place=NODE_PLACE + node.name,
        pool=node.pool,
        labels=node.labels,
        **values,
    )


async def seed_nodes(app: App) -> dict[str, str]:
    """Add nodes and tokens; return an address for each path with parameters."""
    full = [
        _node("n1", "default", labels={"disk": "ssd"}),
        _node("n2", "default", labels={"disk": "ssd", "rack": "2"}),
        _node("eu-west-1", "eu", labels={"region": "eu"}),
        _node("eu-west-2", "eu", labels={"region": "eu"}, release="0.0.9"),
        _node("gpu-1", "gpu", labels={"gpu": "a100", "card.example/model": "long-value-40gb"}),
    ]  # fmt: skip
    by = {"state_by": "ada"}
    cordoned = _node("n3", "default", state=NodeState.CORDONED, **by)
    draining = _node("n4", "default", state=NodeState.DRAINING, **by)
    drained = _node("gpu-2", "gpu", state=NodeState.DRAINING, **by)
    trouble = _node("eu-west-3", "eu", labels={"region": "eu"})
    limited = _node("lab", "default")
    silent = _node("an-engine-made-this-name.eu-central-1.compute.internal", "eu")
    waiting = replace(_node("n5", "default"), runner_id="", epoch=0, release="")
    connected = [*full, cordoned, draining, drained, trouble, limited]
    away = Detail(DetailCode.EGRESS_AWAY)
    special = {
        "eu-west-3": {"trouble": away},
        "lab": {"isolation": "no-limits", "checks": NO_LIMITS, "cpus": 2.5, "memory_mb": 4096},
        "gpu-1": {
            "cpus": 32.0,
            "memory_mb": 131_072,
            "browsers": 12,
            "browser_share": 0.5,
            "browser_programs": tuple(BrowserProgram),
            "browser_display": True,
        },
    }

    def work(tx: Any) -> None:
        for node in connected:
            until = tx.now + (45 * MINUTE if node is draining else -MINUTE)
            drain_until = until if node.state is NodeState.DRAINING else 0
            state_at = tx.now - 12 * MINUTE if node.state_by else 0
            tx.nodes.add(
                replace(
                    node,
                    joined_at=tx.now - 40 * DAY,
                    seen_at=tx.now,
                    state_at=state_at,
                    drain_until=drain_until,
                )
            )
            runner = _runner(node, **special.get(node.name, {}))
            is_out = node.state is not NodeState.READY
            tx.runs.put_runner(replace(runner, heartbeat_at=tx.now, draining=is_out))
        tx.nodes.add(replace(silent, joined_at=tx.now - DAY, seen_at=tx.now - 26 * MINUTE))
        tx.runs.put_runner(replace(_runner(silent), heartbeat_at=tx.now - 26 * MINUTE))
        tx.nodes.add(replace(waiting, joined_at=tx.now, seen_at=tx.now))

    await app.storage.write(work)
    await app.services.node_tokens.create(app.owner, TokenRequest())
    request = TokenRequest("gpu", {"gpu": "a100"}, "gpu-*", 0, 7 * 24 * 60)
    await app.services.node_tokens.create(app.owner, request)
    revoked = await app.services.node_tokens.create(app.owner, TokenRequest("eu"))
    await app.services.node_tokens.revoke(app.owner, revoked.token.id)
    await app.services.nodes.cordon(app.owner, "n2")
    await app.services.nodes.uncordon(app.owner, "n2")
    return {
        "/admin/nodes/{name}": "/admin/nodes/n2",
        "a draining node": "/admin/nodes/n4",
        "a node without limits": "/admin/nodes/lab",
        "a silent node": f"/admin/nodes/{silent.name}",
        "a pool without nodes": "/admin/nodes?pool=none",
        "/admin/machines/{id}": f"/admin/machines/{RUNNER}",
    }
