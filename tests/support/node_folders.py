"""The folder of a node that has joined, without a gateway."""

from __future__ import annotations

import time

from fyke.app.node_folder import NodeFolder
from fyke.domain.nodes.authority import NodeIdentity, certify_node
from fyke.kit.certificates import CertifiedKey, new_authority, new_request

AUTHORITY = new_authority("Fyke", time.time(), 86_400)


def certified(join_id: str = "J1") -> CertifiedKey:
    """A new certificate of the node ``n1``, and its key."""
    request, identity = new_request(), NodeIdentity("n1", join_id)
    certificate = certify_node(AUTHORITY, request.certificate, identity, time.time())
    return CertifiedKey(certificate, request.key)


def a_node(gateways: tuple[str, ...]) -> NodeFolder:
    return NodeFolder("n1", "eu", {"disk": "ssd"}, gateways, AUTHORITY.certificate, certified())
