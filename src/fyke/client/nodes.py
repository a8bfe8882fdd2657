"""Methods of the client for nodes."""

from __future__ import annotations

from fyke import wire
from fyke.client.connection import Connection, segment

NODES = "/api/fyke/nodes"
TOKENS = "/api/fyke/node-tokens"
DEMAND = "/api/fyke/node-demand"


class NodeCalls:
    """Nodes and the tokens to join with, for the operator."""

    _wire: Connection

    def nodes(self) -> list[wire.fyke.nodes.NodeItem]:
        return self._wire.get(NODES, wire.fyke.nodes.NodeList).items

    def node_demand(self) -> list[wire.fyke.nodes.PoolDemandItem]:
        return self._wire.get(DEMAND, wire.fyke.nodes.NodeDemand).items

    def node(self, name: str) -> wire.fyke.nodes.NodeItem:
        return self._wire.get(f"{NODES}/{segment(name)}", wire.fyke.nodes.NodeItem)

    def cordon_node(self, name: str) -> wire.fyke.nodes.NodeItem:
        return self._wire.post(f"{NODES}/{segment(name)}/cordon", wire.fyke.nodes.NodeItem, {})

    def uncordon_node(self, name: str) -> wire.fyke.nodes.NodeItem:
        return self._wire.post(f"{NODES}/{segment(name)}/uncordon", wire.fyke.nodes.NodeItem, {})

    def drain_node(self, name: str, seconds: int) -> wire.fyke.nodes.NodeItem:
        body = wire.fyke.nodes.NodeDrain(seconds)
        return self._wire.post(f"{NODES}/{segment(name)}/drain", wire.fyke.nodes.NodeItem, body)

    def replace_node(self, name: str, seconds: int) -> wire.fyke.nodes.NodeItem:
        body = wire.fyke.nodes.NodeDrain(seconds)
        return self._wire.post(f"{NODES}/{segment(name)}/replace", wire.fyke.nodes.NodeItem, body)

    def forget_node(self, name: str) -> None:
        self._wire.delete(f"{NODES}/{segment(name)}", type(None))

    def node_tokens(self) -> list[wire.fyke.nodes.NodeTokenItem]:
        return self._wire.get(TOKENS, wire.fyke.nodes.NodeTokenList).items

    def create_node_token(
        self, request: wire.fyke.nodes.NodeTokenToCreate
    ) -> wire.fyke.nodes.CreatedNodeToken:
        return self._wire.post(TOKENS, wire.fyke.nodes.CreatedNodeToken, request)

    def revoke_node_token(self, token_id: str) -> None:
        self._wire.delete(f"{TOKENS}/{segment(token_id)}", type(None))
