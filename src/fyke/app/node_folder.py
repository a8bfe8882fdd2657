"""The folder of a node: what a machine keeps of the installation that it has joined.

It is one file, so that a renewed certificate and its key replace the earlier ones together.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from fyke.app.folder import NODE_FILE, PERMISSIONS, is_node, write_private
from fyke.domain.nodes.authority import NodeIdentity, identity_of
from fyke.errors import Conflict, FykeError, OutcomeUnknown, Unavailable
from fyke.kit.certificates import BadCertificate, CertifiedKey, expiry_of
from fyke.kit.hostports import join_host_port, parse_address
from fyke.kit.tls import client_context
from fyke.link.check import check_node
from fyke.link.join import JoinedInstallation, join
from fyke.model.gateway import GATEWAY_PORT, MAX_GATEWAYS
from fyke.wire.nodes import KnownNode, UnknownNode

_TEXTS = ("name", "pool", "authority", "certificate", "key")
_OF_INSTALLATIONS = ("secret.key", "owner.key", "state.db")


@dataclass(frozen=True, slots=True)
class NodeFolder:
    """What a node knows of itself and of its installation. ``gateways`` are ``host:port``, as they
    were given when it joined, and ``announced`` those that the installation says it has.
    """

    name: str
    pool: str
    labels: dict[str, str]
    gateways: tuple[str, ...]
    authority: str
    own: CertifiedKey = field(repr=False)
    announced: tuple[str, ...] = ()

    def addresses(self) -> list[tuple[str, int]]:
        """Host and port of each gateway, those that were given first. Raises ``ValueError``."""
        known = (*self.gateways, *self.announced)
        return [*dict.fromkeys(parse_address(gateway, GATEWAY_PORT) for gateway in known)]

    def gateway_names(self) -> list[str]:
        """The addresses as they are shown."""
        return [join_host_port(*address) for address in self.addresses()]


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
    announced = parts.get("announced", [])  # no part of those of earlier releases
    if not isinstance(labels, dict):
        raise _BadPart("it has no labels")
    if not isinstance(gateways, list) or not gateways:
        raise _BadPart("it has no gateways")
    if not isinstance(announced, list):
        raise _BadPart("its gateways are not addresses")
    node = NodeFolder(
        name=texts["name"],
        pool=texts["pool"],
        labels=labels,
        gateways=tuple(gateways),
        authority=texts["authority"],
        own=CertifiedKey(texts["certificate"], texts["key"]),
        announced=tuple(announced),
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
    if not all(isinstance(gateway, str) for gateway in (*node.gateways, *node.announced)):
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


def keep_announced(home: Path, gateways: Sequence[str]) -> list[tuple[str, int]]:
    """Keep the gateways that the installation has announced, at most ``MAX_GATEWAYS``, instead of
    those that it announced before; return host and port of all that the node knows. Raises
    ``Conflict`` for what is no address, and what ``read_node`` does.
    """
    node = read_node(home)
    news = replace(node, announced=tuple(gateways[:MAX_GATEWAYS]))
    if not _has_addresses(news):
        raise Conflict("The installation has announced gateways that are not addresses")
    if news != node:
        write_node(home, news)
    return news.addresses()


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
    if node.announced:
        data["announced"] = node.announced
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
    addresses: Sequence[tuple[str, int]],
    token: str,
    name: str,
    pool: str,
    labels: Mapping[str, str],
    *,
    replace: bool = False,
) -> NodeFolder:
    """Join by the first of the gateways at ``addresses`` that answers; return what was written to
    the folder, which has all of them.

    Raises what ``fyke.link.join.join`` does, ``Conflict`` for a folder that is used already, and
    ``OSError`` for one that cannot be written. A token is used only if neither is so.
    """
    _check_unused(home)
    if not home.exists():
        home.mkdir(parents=True)
        home.chmod(PERMISSIONS["open"])
    with tempfile.TemporaryFile(dir=home):
        pass
    joined = _join_in_turn(
        addresses,
        lambda one: asyncio.run(join(one, token, name, pool, labels, replace=replace)),
    )
    answer = joined.answer
    gateways = tuple(join_host_port(*address) for address in addresses)
    node = NodeFolder(
        answer.name, answer.pool, answer.labels, gateways, joined.authority, joined.own
    )
    write_node(home, node)
    return node


def _join_in_turn(
    addresses: Sequence[tuple[str, int]],
    join_at: Callable[[tuple[str, int]], JoinedInstallation],
) -> JoinedInstallation:
    """Raises ``Unavailable`` with the problem of each if none of them answers."""
    problems: list[Unavailable] = []
    for address in addresses:
        try:
            return join_at(address)
        except OutcomeUnknown:  # the token may be used up
            raise
        except Unavailable as error:
            problems.append(error)
    if len(problems) == 1:
        raise problems[0]
    raise Unavailable("; ".join(error.message for error in problems))


def _check_unused(home: Path) -> None:
    remedy = "choose another folder with --home"
    if is_node(home):
        raise Conflict(
            f"The folder {home} is a node already; {remedy}, or, to join again, delete "
            f"{home / NODE_FILE} first"
        )
    if any((home / file).exists() for file in _OF_INSTALLATIONS):
        raise Conflict(f"The folder {home} is that of an installation, not of a node; {remedy}")
