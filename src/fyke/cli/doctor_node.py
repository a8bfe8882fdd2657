"""Checks of ``fyke doctor``: the folder of a node."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from fyke.cli import formatting
from fyke.cli.doctor_result import FAILED, OK, WARNING, CheckResult

if TYPE_CHECKING:
    from fyke.app.node_folder import NodeFolder
    from fyke.settings import Settings

GATEWAY_REMEDY = "check that Fyke runs there, and that this machine reaches the port"


def check_node(home: Path) -> CheckResult:
    """Of a node: its certificate, and whether its gateways answer and know it."""
    from fyke.app.folder import NODE_FILE
    from fyke.app.node_folder import read_node
    from fyke.errors import Conflict
    from fyke.kit.certificates import expiry_of

    try:
        node = read_node(home)
        expires = expiry_of(node.own.certificate)
    except Conflict as damaged:
        [problem] = damaged.problems
        return CheckResult("joined as node", FAILED, problem.rule, problem.remedy)
    except OSError as error:
        detail = f"{home / NODE_FILE} cannot be read: {error.strerror}"
        is_others = isinstance(error, PermissionError)
        remedy = "run this command as its owner" if is_others else "check the disk of this machine"
        return CheckResult("joined as node", FAILED, detail, remedy)
    detail = f"{node.name} of the pool {node.pool}; certificate until "
    detail += formatting.when_with_zone(int(expires))
    join_again = f"delete {home / NODE_FILE} and join again with fyke node join"
    if expires < time.time():
        return CheckResult("joined as node", FAILED, detail, join_again)
    state, known, remedy = _known(node)
    return CheckResult("joined as node", state, f"{detail}; {known}", remedy or join_again)


def _known(node: NodeFolder) -> tuple[str, str, str]:
    """State, detail and remedy: whether the gateways of a node answer, and know it. The remedy is
    empty when that is to join again.
    """
    from fyke.app.node_folder import ask_gateway
    from fyke.errors import FykeError, InvalidRequest
    from fyke.wire.nodes import UnknownNode

    known, silent = "", list[str]()
    for address, gateway in zip(node.addresses(), node.gateway_names(), strict=True):
        try:
            answer = ask_gateway(node, address)
        except InvalidRequest:  # of an earlier release
            problem = f"gateway {gateway} answers, but cannot say whether it knows this node"
            return WARNING, problem, "upgrade the installation to the release of this node"
        except FykeError as error:
            silent.append(f"no answer of the gateway {gateway}: {error}")
            continue
        if isinstance(answer, UnknownNode):
            return FAILED, "the installation has forgotten this node, or it has joined again", ""
        seen = formatting.when_with_zone(answer.seen_at // 1000)
        seen += f" at {answer.address}" if answer.address else ""
        known = f"gateway {gateway} knows it, last seen {seen}"
    if silent:
        return (
            (WARNING if known else FAILED),
            "; ".join(filter(None, [known, *silent])),
            GATEWAY_REMEDY,
        )
    return OK, known, ""


def check_node_settings(settings: Settings) -> Iterator[CheckResult]:
    from fyke.app.configuration import ignored_on_node

    if names := ignored_on_node(settings, os.environ):
        detail = f"{', '.join(names)}: ignored, because a node uses those of its installation"
        yield CheckResult("settings", WARNING, detail, "remove them here, and set them there")
