"""The folder of a node: what a machine keeps of the installation that it has joined.

It is one file, so that a renewed certificate and its key replace the earlier ones together.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from fyke.app.folder import NODE_FILE, PERMISSIONS, is_node, write_private
from fyke.domain.nodes.authority import NodeIdentity, identity_of
from fyke.errors import Conflict, FykeError
from fyke.kit.certificates import BadCertificate, CertifiedKey, expiry_of
from fyke.kit.hostports import join_host_port, parse_address
from fyke.kit.tls import client_context
from fyke.link.check import check_node
from fyke.link.join import join
from fyke.model.gateway import GATEWAY_PORT
from fyke.wire.nodes import KnownNode, UnknownNode

_TEXTS = ("name", "pool", "authority", "certificate", "key")
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
        """Host and port of each gateway. Raises ``ValueError``."""
        return [parse_address(gateway, GATEWAY_PORT) for gateway in self.gateways]


class _BadPart(Exception):
    """What of the file cannot be used, without its content, which may be the key."""


def read_node(home: Path) -> NodeFolder:
    """The node of this folder. Raises ``Conflict`` for a file that is damaged, with a remedy, and
    ``OSError`` for one that cannot be read.
    """
    path = home / NODE_FILE
    try:
        return _node_of(path.read_bytes())
    except IsADirectoryError:
        problem = "is a folder, not a file"
    except _BadPart as bad:
        problem = f"is damaged: {bad}"
    raise Conflict(f"{path} {problem}", remedy="delete it, and join again with fyke node join")


def _node_of(data: bytes) -> NodeFolder:
    """Raise ``_BadPart``."""
    try:
        parts = json.loads(data)
    except (ValueError, RecursionError):
        raise _BadPart("it is not JSON") from None
    if not isinstance(parts, dict):
        raise _BadPart("it is not a JSON object")
    texts = {name: _text(parts, name) for name in _TEXTS}
    gateways, labels = parts.get("gateways"), parts.get("labels")
    if not isinstance(labels, dict):
        raise _BadPart("it has no labels")
    if not isinstance(gateways, list) or not gateways:
        raise _BadPart("it has no gateways")
    node = NodeFolder(
        name=texts["name"],
        pool=texts["pool"],
        labels=labels,
        gateways=tuple(gateways),
        authority=texts["authority"],
        own=CertifiedKey(texts["certificate"], texts["key"]),
    )
    if not _has_addresses(node):
        raise _BadPart("its gateways are not addresses")
    _check_certificates(node)
    return node


def _text(parts: dict[str, Any], name: str) -> str:
    text = parts.get(name)
    if not isinstance(text, str):
        raise _BadPart(f"it has no {name}")
    return text


def _has_addresses(node: NodeFolder) -> bool:
    if not all(isinstance(gateway, str) for gateway in node.gateways):
        return False
    try:
        node.addresses()
    except ValueError:
        return False
    return True


def _check_certificates(node: NodeFolder) -> None:
    """Raise ``_BadPart`` for a certificate or a key that cannot be used."""
    for part, text in (("authority", node.authority), ("certificate", node.own.certificate)):
        try:
            expiry_of(text)
        except BadCertificate:
            raise _BadPart(f"its {part} cannot be read") from None
    try:
        client_context(node.authority, node.own, [])
    except (ValueError, ssl.SSLError):
        raise _BadPart("its key cannot be read, or is not that of the certificate") from None


def keep_certificate(home: Path, own: CertifiedKey, before: CertifiedKey | None = None) -> None:
    """Replace certificate and key of a node, which are ``before`` if they are known; what else the
    file says by now is kept. Raises what ``read_node`` does, and ``Conflict`` for the file of
    another join.
    """
    node = read_node(home)
    if node.own != before and _identity(node.own) != _identity(own):
        raise Conflict(f"{home / NODE_FILE} is that of another node, or of another join")
    write_node(home, replace(node, own=own))


def _identity(own: CertifiedKey) -> NodeIdentity | None:
    return identity_of(ssl.PEM_cert_to_DER_cert(own.certificate))


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


def leave_folder(home: Path) -> None:
    """Make the folder of a node one that may join again."""
    (home / NODE_FILE).unlink(missing_ok=True)


def is_outdated(node: NodeFolder) -> bool:
    """Whether the node has to join again: its certificate has expired, or the installation has
    forgotten it. False when no gateway answers.
    """
    if expiry_of(node.own.certificate) < time.time():
        return True
    for address in node.addresses():
        with suppress(FykeError):
            return isinstance(ask_gateway(node, address), UnknownNode)
    return False


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
    gateways = (join_host_port(*address),)
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
