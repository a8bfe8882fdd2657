"""Faults of an installation with several machines: of nodes, links, servers, PostgreSQL and S3."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import cast

from fyke.storage.sql.results import migrate as results_schema
from fyke.storage.sql.state import schema as state_schema
from reliability.faults import (
    HARMLESS,
    STEPS,
    Kind,
    disk,
    libfaketime,
    no_faketime,
    no_postgres,
    no_volume,
    roles,
)  # fmt: skip
from reliability.machine import first_line, pid_in
from reliability.machines import BACK_SECONDS, WITH_ERRORS, NodesStage, stage_of_nodes
from reliability.older import older_commit
from reliability.stage import Injected, Stage
from support.booted import Booted
from support.commands import Cli
from support.machine_network import Way
from support.many_machines import Machine

LONG_SECONDS = 300.0  # of a cut
SHORT_SECONDS = 9.0  # shorter than a lease, with the time that a promotion takes
UPGRADE_LEASE = 60  # longer than the restart of the installation takes
NODE_VOLUME_MB = 640
ENDED_STATUS = 7


def _any(stage: Stage, rng: random.Random) -> tuple[NodesStage, Machine]:
    site = cast(NodesStage, stage)
    return site, rng.choice(site.nodes)


def node_kill(stage: Stage, rng: random.Random) -> Injected:
    """SIGKILL for all processes of a node, as without power, or for one of them. What ends is
    started again, at once or after the end of its leases.
    """
    site, node = _any(stage, rng)
    target = rng.choice(["node"] * 6 + [*roles()[1:], "supervisor"])
    first = node.users.start
    if target == "node":
        node.kill()
        over = time.monotonic()
        left = site.strays_of(node, first)
        time.sleep(rng.choice([0, rng.uniform(0, 10), rng.uniform(site.lease_seconds, 25)]))
        return Injected([target], over, down=site.start_node(node), left=left)
    pidfd = site.signal_node(node, target, signal.SIGKILL)
    over = time.monotonic()
    if pidfd < 0:
        return Injected([target], over, down=[f"{target} did not exist for 20 s"])
    os.close(pidfd)
    if target != "supervisor":
        return Injected([target], over, target in HARMLESS, down=site.connected(node))
    left = site.strays_of(node, first)
    return Injected([target], over, down=site.start_node(node), left=left)


def cut(stage: Stage, rng: random.Random, seconds: float) -> Injected:
    """Lose everything between a node and the installation, in one direction or both."""
    site, node = _any(stage, rng)
    way = rng.choice([Way.BOTH, Way.OUTGOING, Way.INCOMING])
    over = time.monotonic()
    node.link.cut(way)
    try:
        time.sleep(seconds)
    finally:
        node.link.heal()
    return Injected([str(way)], over, down=site.connected(node))


def link(stage: Stage, rng: random.Random) -> Injected:
    return cut(stage, rng, rng.choice([rng.uniform(5, 20), rng.uniform(20, 60)]))


def link_long(stage: Stage, rng: random.Random) -> Injected:
    return cut(stage, rng, LONG_SECONDS)


def server(stage: Stage, rng: random.Random) -> Injected:
    """SIGKILL of one of the two servers, or of the gateway."""
    site = cast(NodesStage, stage)
    target = rng.choice(["server", "server", "second", "second", "gateway"])
    if target == "second":
        return _second_server(site)
    pidfd = site.signal(target, signal.SIGKILL)
    over = time.monotonic()
    if pidfd < 0:
        return Injected([target], over, down=[f"{target} did not exist for 20 s"])
    os.close(pidfd)
    down = [text for node in site.nodes for text in site.connected(node)]
    return Injected([target], over, harmless=True, down=down)


def _second_server(site: NodesStage) -> Injected:
    assert site.second is not None
    site.second.end(signal.SIGKILL)
    over, down = time.monotonic(), []
    try:
        site.second.start()
    except WITH_ERRORS as error:
        down = [f"the second server did not start again: {first_line(error)}"]
    return Injected(["second"], over, harmless=True, down=down)


def restart(stage: Stage, rng: random.Random) -> Injected:
    """PostgreSQL crashes, and is started again before leases end."""
    site = cast(NodesStage, stage)
    assert site.postgres is not None
    site.postgres.stop()
    time.sleep(rng.uniform(0, SHORT_SECONDS))
    site.postgres.start()
    over = time.monotonic()
    down = [text for node in site.nodes for text in site.connected(node)]
    return Injected(["crash"], over, harmless=True, down=down)


def promotion(stage: Stage, rng: random.Random) -> Injected:
    """The primary crashes, and its synchronous standby becomes the primary before leases end. Then
    the old one follows it.
    """
    site = cast(NodesStage, stage)
    assert site.postgres is not None
    site.postgres.stop()
    time.sleep(rng.uniform(0, SHORT_SECONDS - 2))
    site.promote()
    over = time.monotonic()
    down = [text for node in site.nodes for text in site.connected(node)]
    site.follow()
    return Injected(["crash"], over, harmless=True, down=down)


def blobs_outage(stage: Stage, rng: random.Random) -> Injected:
    """S3 refuses connections or does not answer, while the runs need a bundle that is new."""
    site = cast(NodesStage, stage)
    assert site.blobs is not None
    target, seconds = rng.choice(["refuses", "silent"]), rng.uniform(10, 60)
    try:
        if target == "refuses":
            site.blobs.refuse(True)
        else:
            site.blobs.silence(new_ones=True)
        time.sleep(seconds)
    finally:
        site.blobs.refuse(False)
        site.blobs.silence()
        site.blobs.end_silent()
    return Injected([target], time.monotonic(), harmless=True)


def another_version(stage: Stage) -> None:
    """Before the round: no node has the bundle yet."""
    cast(NodesStage, stage).push(f"{time.monotonic_ns()}")


def upgrade(stage: Stage, rng: random.Random) -> Injected:
    """Replace the program of a release by that of the next one: of the second server, which
    migrates, of the installation, and of each node after it was drained.
    """
    site = cast(NodesStage, stage)
    many, second, down = site.many, site.second, list[str]()
    assert second is not None
    before = _schema(site)
    many.older_program = many.wrapper = ()
    try:
        second.end(signal.SIGTERM)
        second.start()
        time.sleep(rng.uniform(0, 5))
        Booted.stop(many)  # without its nodes
        many.start()
        site.balance()
        for node in site.nodes:
            _upgrade_node(site, node)
        assert _schema(site) != before, "both programs have the same schema"
    except WITH_ERRORS as error:
        down.append(f"the upgrade failed: {first_line(error)}")
    return Injected(["upgrade"], time.monotonic(), harmless=True, down=down)


def _schema(site: NodesStage) -> list[tuple[object, ...]]:
    """The revisions of both stores."""
    tables = state_schema.SCHEMA.version_table, results_schema.SCHEMA.version_table
    return [row for table in tables for row in site.query(f"SELECT version_num FROM {table}")]


def _upgrade_node(site: NodesStage, node: Machine) -> None:
    Cli(site.many).run("node", "drain", node.name, "--seconds", 120)
    query = f"SELECT count(*) FROM attempts WHERE node = '{node.name}' AND outcome IS NULL"
    site.many.wait_for(lambda: site.asked(lambda: site.query(query)) == [(0,)], "the drain", 130)
    node.stop()
    node.wrapper = getattr(node.link, "inside", ())
    node.start()
    Cli(site.many).run("node", "uncordon", node.name)


def clone(stage: Stage, rng: random.Random) -> Injected:
    """A machine with a copy of a node's disk is started. It is the node then; the original has to
    end with status 7. Then the copy is stopped, and the original started again.
    """
    site, node = _any(stage, rng)
    down, left = list[str](), list[str]()
    copy = site.many.clone(node)
    site.clones.append(copy)
    site.watcher.add(copy.home / "work")
    over = time.monotonic()
    try:
        copy.launch()
        copy.wait_until_ready()
        status = node.wait(BACK_SECONDS)
        if status != ENDED_STATUS:
            down.append(f"the original ended with {status}")
        left = site.strays_of(node, node.users.start)
        time.sleep(rng.uniform(0, 10))
        copy.stop()
    except WITH_ERRORS as error:
        down.append(f"the copy of {node.name}: {first_line(error)}")
    over = max(over, time.monotonic() - 1)
    return Injected(["clone"], over, down=down + site.start_node(node), left=left)


def node_clock(stage: Stage, rng: random.Random) -> Injected:
    """Set the clock of a node forward or back, by libfaketime."""
    site, node = _any(stage, rng)
    file = Path(node.variables["FAKETIME_TIMESTAMP_FILE"])
    runner = Path(f"/proc/{pid_in(node, 'runner')}/maps").read_text()
    assert node.variables["LD_PRELOAD"] in runner, "the runner has its own clock"
    step = rng.choice(STEPS) * rng.choice([1, -1])
    file.write_text(f"{step:+d}")
    over = time.monotonic()
    time.sleep(rng.uniform(0, 15))
    down = site.connected(node)
    file.write_text("+0")
    down += site.connected(node)
    return Injected(["forward" if step > 0 else "back"], over, harmless=True, down=down)


def node_disk(stage: Stage, rng: random.Random) -> Injected:
    """Leave nothing, or up to 100 MiB, on the disk of a node."""
    site = cast(NodesStage, stage)
    injected = disk(stage, rng)
    return Injected(injected.targets, injected.over, down=site.connected(site.nodes[0]))


def no_older() -> str:
    return no_postgres() or ("" if older_commit() else "there is no commit before the migration")


def _kind(
    name: str, aim: int, inject: Callable[[Stage, random.Random], Injected], **members: object
) -> Kind:
    given = {"jobs": 8, "spread": 20, "rounds": 4} | members
    return Kind(name, {"postgres": aim}, inject, opens=stage_of_nodes, divided=True, **given)  # type: ignore[arg-type]


KINDS = {
    kind.name: kind
    for kind in (
        _kind("node_kill", 100, node_kill, faults=(3, 5), gap=6, jobs=12, spread=40),
        _kind("link", 90, link, faults=(1, 2)),
        _kind("link_long", 10, link_long, jobs=24, spread=240, rounds=1),
        _kind("server", 50, server, faults=(3, 5)),
        _kind("restart", 20, restart, faults=(1, 2), rows=(100, 300)),
        _kind("promotion", 10, promotion, rows=(100, 300), options=lambda: {"standby": True}),
        _kind(
            "blobs_outage", 20, blobs_outage, before=another_version, options=lambda: {"s3": True}
        ),
        _kind(
            "upgrade", 20, upgrade, rounds=1, jobs=16, spread=90, impossible=no_older,
            options=lambda: {"older": True, "lease_seconds": UPGRADE_LEASE},
        ),
        _kind("clone", 20, clone, rounds=3),
        _kind(
            "node_clock", 20, node_clock, faults=(1, 3), impossible=no_faketime,
            options=lambda: {"preload": libfaketime()},
        ),
        _kind(
            "node_disk", 20, node_disk, impossible=no_volume,
            options=lambda: {"volume_mb": NODE_VOLUME_MB, "disk_floor_mb": "16"},
        ),
    )
}  # fmt: skip
