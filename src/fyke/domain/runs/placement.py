"""The pool and the labels of a run at its start: whether there is such a pool, and whether its
region is that of nodes.

A pool is known while a node, an active runner or the installation itself is in it, or a token that
lets nodes join it is valid: what makes nodes by demand may have none at the moment. Labels are not
checked, because nodes come and go; a run waits for them, and says so.
"""

from __future__ import annotations

from dataclasses import replace

from fyke.contracts.state import Transaction
from fyke.domain.runs.isolation import RUNNER_SILENCE_MS
from fyke.domain.runs.transitions import Rules
from fyke.errors import InvalidRequest
from fyke.model.placement import REGION_LABEL
from fyke.model.run import Run

POOL_FIELD = "input.parameters.system.pool"
_NAMED = 20  # pools that an error names


def known_pools(tx: Transaction, rules: Rules) -> list[str]:
    """The pools that runs may name, sorted."""
    runners = tx.runs.runners(tx.now - RUNNER_SILENCE_MS)
    tokens = [token for token in tx.node_tokens.all() if token.is_valid(tx.now)]
    found = {rules.default_pool, rules.own_pool, *(node.pool for node in tx.nodes.all())}
    found |= {runner.pool for runner in runners} | {token.pool for token in tokens if token.pool}
    return sorted(found)


def check_pool(tx: Transaction, rules: Rules, pool: str) -> None:
    """Raise ``InvalidRequest`` for a pool that is not known; "" is the default one."""
    if pool in ("", rules.default_pool, rules.own_pool):
        return
    known = known_pools(tx, rules)
    if pool not in known:
        more = ", ..." if len(known) > _NAMED else ""
        raise InvalidRequest(
            f"must be one of the pools of this installation: {', '.join(known[:_NAMED])}{more}",
            field=POOL_FIELD,
        )


def with_node_region(tx: Transaction, rules: Rules, run: Run) -> Run:
    """The run as it is started: only for nodes with the label ``region`` of the same value if its
    region has no proxies and the pool has such nodes, connected or not. Without them it connects
    directly from any machine.
    """
    if not run.region or rules.proxy_regions & {run.region, "*"}:
        return run
    return replace(run, region_of_node=has_region(tx, run))


def has_region(tx: Transaction, run: Run) -> bool:
    """Whether a machine of its pool, connected or not, has the region of the run as its label."""
    active = tx.runs.runners(tx.now - RUNNER_SILENCE_MS)
    machines = [(node.pool, node.labels) for node in tx.nodes.all()]
    machines += [(runner.pool, runner.labels) for runner in active]
    return any(
        labels.get(REGION_LABEL) == run.region for pool, labels in machines if pool == run.pool
    )
