"""The folder of a node: what a machine keeps of the installation that it has joined.

It is one file, so that a renewed certificate and its key replace the earlier ones together.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fyke.app.folder import PERMISSIONS, write_private
from fyke.errors import Conflict
from fyke.link.join import JoinedInstallation, join

FILE = "node.json"
_OF_INSTALLATIONS = ("secret.key", "owner.key", "state.db")


def join_from(
    home: Path,
    address: tuple[str, int],
    token: str,
    name: str,
    pool: str,
    labels: Mapping[str, str],
) -> dict[str, Any]:
    """Join by the gateway at ``address``; return what was written to the folder, without
    certificates and key.

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
    node = _without_secrets(joined, address)
    keys = {"authority": joined.authority, "certificate": joined.own.certificate}
    write_private(home / FILE, json.dumps({**node, **keys, "key": joined.own.key}, indent=1))
    return node


def _check_unused(home: Path) -> None:
    remedy = "choose another folder with --home"
    if (home / FILE).exists():
        raise Conflict(
            f"The folder {home} is a node already; {remedy}, or, to join again, delete "
            f"{home / FILE} first"
        )
    if any((home / file).exists() for file in _OF_INSTALLATIONS):
        raise Conflict(f"The folder {home} is that of an installation, not of a node; {remedy}")


def _without_secrets(joined: JoinedInstallation, address: tuple[str, int]) -> dict[str, Any]:
    host, port = address
    here = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    answer = joined.answer
    return {
        "name": answer.name,
        "pool": answer.pool,
        "labels": answer.labels,
        "gateways": [*answer.gateways] or [here],
    }
