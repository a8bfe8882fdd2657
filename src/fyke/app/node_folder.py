"""The folder of a node: what a machine keeps of the installation that it has joined.

It is one file, so that a renewed certificate and its key replace the earlier ones together.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from fyke.app.folder import NODE_FILE, PERMISSIONS, is_node, write_private
from fyke.errors import Conflict
from fyke.kit.certificates import CertifiedKey
from fyke.kit.tls import client_context
from fyke.link.check import check_node
from fyke.link.join import join
from fyke.wire.nodes import KnownNode, UnknownNode

DEFAULT_PORT = 8110
_OF_INSTALLATIONS = ("secret.key", "owner.key", "state.db")


@dataclass(frozen=True, slots=True)
class NodeFolder:
    """What a node knows of itself and of its installation. ``gateways`` are ``host:port``."""

    name: str
    pool: str
    labels: dict[str, str]
    gateways: tuple[str, ...]
    authority: str
    own: CertifiedKey = field(repr=False)

    def addresses(self) -> list[tuple[str, int]]:
        """Host and port of each gateway."""
        parts = [urlsplit(f"//{gateway}") for gateway in self.gateways]
        return [(part.hostname or "", part.port or DEFAULT_PORT) for part in parts]


def read_node(home: Path) -> NodeFolder:
    """The node of this folder. Raises ``Conflict`` for a file that is damaged."""
    path = home / NODE_FILE
    data = path.read_bytes()
    try:
        node = _node_of(json.loads(data))
        client_context(node.authority, node.own, [])
    except (ValueError, KeyError, TypeError, ssl.SSLError) as error:
        # not ``repr``, which may contain the file, with the key
        problem = f"{type(error).__name__}: {error}"
        raise Conflict(
            f"{path} is damaged ({problem}): delete it, and join again with fyke node join"
        ) from None
    return node


def _node_of(data: dict[str, Any]) -> NodeFolder:
    """Raise ``ValueError``, ``KeyError`` or ``TypeError``."""
    gateways = data["gateways"]
    if not isinstance(gateways, list) or not gateways:
        raise ValueError("there is no gateway")
    node = NodeFolder(
        name=data["name"],
        pool=data["pool"],
        labels=dict(data["labels"]),
        gateways=tuple(gateways),
        authority=data["authority"],
        own=CertifiedKey(data["certificate"], data["key"]),
    )
    if not all(isinstance(text, str) for text in (node.name, node.pool, *node.gateways)):
        raise TypeError("a text is missing")
    if not all(host for host, _ in node.addresses()):
        raise ValueError("a gateway has no address")
    return node


def keep_certificate(home: Path, node: NodeFolder, own: CertifiedKey) -> None:
    """Replace certificate and key of a node."""
    write_node(home, replace(node, own=own))


def write_node(home: Path, node: NodeFolder) -> None:
    """Replace the file of a node, which contains its key."""
    data = {
        "name": node.name,
        "pool": node.pool,
        "labels": node.labels,
        "gateways": node.gateways,
        "authority": node.authority,
        "certificate": node.own.certificate,
        "key": node.own.key,
    }
    write_private(home / NODE_FILE, json.dumps(data, indent=1))


def ask_gateway(node: NodeFolder, address: tuple[str, int]) -> KnownNode | UnknownNode:
    """Whether the installation still knows the node. Raises what ``check_node`` does."""
    return asyncio.run(check_node(address, node.authority, node.own))


def join_from(
    home: Path,
    address: tuple[str, int],
    token: str,
    name: str,
    pool: str,
    labels: Mapping[str, str],
) -> NodeFolder:
    """Join by the gateway at ``address``; return what was written to the folder.

    Raises what ``fyke.link.join.join`` does, ``Conflict`` for a folder that is used already, and
    ``OSError`` for one that cannot be written. A token is used only if neither is so.
    """
    _check_unused(home)
    if not home.exists():
        home.mkdir(parents=True)
        home.chmod(PERMISSIONS["open"])
    with tempfile.TemporaryFile(dir=home):
        pass
    joined = asyncio.run(join(address, token, name, pool, labels))
    answer = joined.answer
    gateways = tuple(answer.gateways) or (_text_of(address),)
    node = NodeFolder(
        answer.name, answer.pool, answer.labels, gateways, joined.authority, joined.own
    )
    write_node(home, node)
    return node


def _check_unused(home: Path) -> None:
    remedy = "choose another folder with --home"
    if is_node(home):
        raise Conflict(
            f"The folder {home} is a node already; {remedy}, or, to join again, delete "
            f"{home / NODE_FILE} first"
        )
    if any((home / file).exists() for file in _OF_INSTALLATIONS):
        raise Conflict(f"The folder {home} is that of an installation, not of a node; {remedy}")


def _text_of(address: tuple[str, int]) -> str:
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
