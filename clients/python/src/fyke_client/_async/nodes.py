"""Methods of the client for nodes."""

from __future__ import annotations

from fyke_client import types
from fyke_client._async.connection import AsyncConnection
from fyke_client._requests import segment

NODES = "/api/fyke/nodes"
TOKENS = "/api/fyke/node-tokens"
DEMAND = "/api/fyke/node-demand"


class AsyncNodeCalls:
    """Nodes and the tokens to join with, for the operator."""

    _connection: AsyncConnection

    async def nodes(self) -> list[types.fyke.nodes.NodeItem]:
        return (await self._connection.get(NODES, types.fyke.nodes.NodeList)).items

    async def node_demand(self) -> list[types.fyke.nodes.PoolDemandItem]:
        return (await self._connection.get(DEMAND, types.fyke.nodes.NodeDemand)).items

    async def node(self, name: str) -> types.fyke.nodes.NodeItem:
        return await self._connection.get(f"{NODES}/{segment(name)}", types.fyke.nodes.NodeItem)

    async def cordon_node(self, name: str) -> types.fyke.nodes.NodeItem:
        return await self._connection.post(
            f"{NODES}/{segment(name)}/cordon", types.fyke.nodes.NodeItem, {}
        )

    async def uncordon_node(self, name: str) -> types.fyke.nodes.NodeItem:
        return await self._connection.post(
            f"{NODES}/{segment(name)}/uncordon", types.fyke.nodes.NodeItem, {}
        )

    async def drain_node(self, name: str, seconds: int) -> types.fyke.nodes.NodeItem:
        body = types.fyke.nodes.NodeDrain(seconds)
        return await self._connection.post(
            f"{NODES}/{segment(name)}/drain", types.fyke.nodes.NodeItem, body
        )

    async def replace_node(self, name: str, seconds: int) -> types.fyke.nodes.NodeItem:
        body = types.fyke.nodes.NodeDrain(seconds)
        return await self._connection.post(
            f"{NODES}/{segment(name)}/replace", types.fyke.nodes.NodeItem, body
        )

    async def forget_node(self, name: str) -> None:
        await self._connection.delete(f"{NODES}/{segment(name)}", type(None))

    async def node_tokens(self) -> list[types.fyke.nodes.NodeTokenItem]:
        return (await self._connection.get(TOKENS, types.fyke.nodes.NodeTokenList)).items

    async def create_node_token(
        self, request: types.fyke.nodes.NodeTokenToCreate
    ) -> types.fyke.nodes.CreatedNodeToken:
        return await self._connection.post(TOKENS, types.fyke.nodes.CreatedNodeToken, request)

    async def revoke_node_token(self, token_id: str) -> None:
        await self._connection.delete(f"{TOKENS}/{segment(token_id)}", type(None))
