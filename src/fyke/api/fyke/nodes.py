"""Nodes and the tokens to join with, for the operator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fyke.api.call import Call
from fyke.api.routes import delete, get, post
from fyke.domain.nodes.control import NodeControl
from fyke.domain.nodes.tokens import NodeTokens
from fyke.errors import Forbidden, InvalidRequest, NotFound, Refused
from fyke.model.account import Scope
from fyke.wire.fields import Name
from fyke.wire.fyke import nodes as wire

NODES = "/api/fyke/nodes"
TOKENS = "/api/fyke/node-tokens"
DEMAND = "/api/fyke/node-demand"


@dataclass(frozen=True, slots=True)
class NodeRoutes:
    tag: ClassVar[str] = "Operator"

    nodes: NodeControl
    tokens: NodeTokens
    gateway: str

    @get(NODES, scope=Scope.ADMIN, errors=(Forbidden,))
    async def list_nodes(self, call: Call) -> wire.NodeList:
        """The nodes: other machines that have joined this installation.

        For the operator.
        """
        nodes = await self.nodes.list(call.caller)
        return wire.NodeList([wire.NodeItem.of(node) for node in nodes])

    @get(f"{NODES}/{{name}}", scope=Scope.ADMIN, errors=(Forbidden, NotFound))
    async def get_node(self, call: Call, name: Name) -> wire.NodeItem:
        """A node.

        For the operator.
        """
        return wire.NodeItem.of(await self.nodes.get(call.caller, name))

    @post(f"{NODES}/{{name}}/cordon", scope=Scope.ADMIN, errors=(Forbidden, NotFound))
    async def cordon_node(self, call: Call, name: Name) -> wire.NodeItem:
        """Let a node take no more attempts; it continues those that it has.

        For the operator. Ends a drain as well.
        """
        return wire.NodeItem.of(await self.nodes.cordon(call.caller, name))

    @post(f"{NODES}/{{name}}/uncordon", scope=Scope.ADMIN, errors=(Forbidden, NotFound))
    async def uncordon_node(self, call: Call, name: Name) -> wire.NodeItem:
        """Let a node take attempts again.

        For the operator.
        """
        return wire.NodeItem.of(await self.nodes.uncordon(call.caller, name))

    @post(f"{NODES}/{{name}}/drain", scope=Scope.ADMIN, errors=(Forbidden, NotFound))
    async def drain_node(self, call: Call, name: Name, body: wire.NodeDrain) -> wire.NodeItem:
        """Let a node take no more attempts, and stop those that it still has after some time.

        For the operator. The time begins again with each call.
        """
        return wire.NodeItem.of(await self.nodes.drain(call.caller, name, body.seconds))

    @post(f"{NODES}/{{name}}/replace", scope=Scope.ADMIN, errors=(Forbidden, NotFound, Refused))
    async def replace_node(self, call: Call, name: Name, body: wire.NodeDrain) -> wire.NodeItem:
        """Drain a node, and let the engine that runs it replace it when no attempt is left.

        For the operator, with the setting `fleet`. To withdraw it, cordon, uncordon or drain the
        node.
        """
        return wire.NodeItem.of(await self.nodes.replace(call.caller, name, body.seconds))

    @delete(f"{NODES}/{{name}}", scope=Scope.ADMIN, errors=(Forbidden, NotFound))
    async def forget_node(self, call: Call, name: Name) -> None:
        """Forget a node: its certificates are refused from now on.

        For users of the operator's account with the role owner. Attempts that the node still has
        are lost; drain it first to let them end.
        """
        await self.nodes.forget(call.caller, name)

    @get(DEMAND, scope=Scope.ADMIN, errors=(Forbidden,))
    async def get_node_demand(self, call: Call) -> wire.NodeDemand:
        """What each pool of nodes is asked for: subtasks that wait, and attempts that run.

        For the operator, and for programs that scale nodes.
        """
        pools = await self.nodes.demand(call.caller)
        return wire.NodeDemand([wire.PoolDemandItem.of(pool) for pool in pools])

    @get(TOKENS, scope=Scope.ADMIN, errors=(Forbidden,))
    async def list_node_tokens(self, call: Call) -> wire.NodeTokenList:
        """The tokens for nodes, without their text, the newest first.

        For users of the operator's account with the role owner. Expired tokens are listed for 30
        days.
        """
        tokens = await self.tokens.list(call.caller)
        return wire.NodeTokenList([wire.NodeTokenItem.of(token) for token in tokens])

    @post(TOKENS, scope=Scope.ADMIN, errors=(Forbidden, InvalidRequest, Refused))
    async def create_node_token(
        self, call: Call, body: wire.NodeTokenToCreate
    ) -> wire.CreatedNodeToken:
        """Create a token with which a machine joins as a node; its text is in this answer only.

        For users of the operator's account with the role owner who are signed in, and for the
        operator's local key; not for other keys. A token for several uses needs a pool. Nodes need
        PostgreSQL.
        """
        token = await self.tokens.create(call.caller, body.checked())
        return wire.CreatedNodeToken.with_text(token, self.gateway)

    @delete(f"{TOKENS}/{{id}}", scope=Scope.ADMIN, errors=(Forbidden, NotFound, Refused))
    async def revoke_node_token(self, call: Call, id: Name) -> None:
        """Revoke a token for nodes. Nodes that have joined with it stay.

        For users of the operator's account with the role owner.
        """
        await self.tokens.revoke(call.caller, id)
