"""Tokens for nodes: who may make them, what they allow, and that only digests are stored."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from fyke.contracts.state import Transaction
from fyke.domain.nodes.authority import FACT, NodeAuthority
from fyke.domain.nodes.tokens import (
    KEEP_MS,
    UNKNOWN,
    NodeTokens,
    TokenRequest,
    needs_gateway,
    parse_token,
    spend,
)
from fyke.errors import ConfirmationNeeded, Forbidden, FykeError, InvalidRequest, NotFound, Refused
from fyke.kit.certificates import expiry_of, fingerprint
from fyke.kit.clock import ManualClock, SystemClock
from fyke.kit.ids import new_ulid
from fyke.kit.sealing import Sealer
from fyke.model.account import Caller, Role
from fyke.model.audit import AuditAction
from fyke.model.node_registry import NewNodeToken, Node, NodeToken

pytestmark = pytest.mark.anyio
State = Any

MINUTES = "must be more than 0 and at most 43200, which is 30 days"
OWNER = Caller("acme", "acme", True, "u", "", user_name="ada", session_id="s", verified_at=2**60)
EXPIRED = TokenRequest(minutes=1e-7)  # with the time at which it is made


@pytest.fixture
def authority(state: State) -> NodeAuthority:
    return NodeAuthority(state, Sealer(b"master"), SystemClock())


@pytest.fixture
def tokens(state: State, authority: NodeAuthority) -> NodeTokens:
    return NodeTokens(state, authority)


async def spent(state: State, token: NewNodeToken, name: str = "n1", **node: Any) -> NodeToken:
    def work(tx: Transaction) -> NodeToken:
        return spend(tx, token.text, name, node.get("pool", "eu"), node.get("labels", {}))

    found: NodeToken = await state.write(work)
    return found


async def refusal(state: State, token: NewNodeToken, name: str = "n1", **node: Any) -> str:
    with pytest.raises(Forbidden) as refused:
        await spent(state, token, name, **node)
    return refused.value.message


async def test_a_token_names_the_authority_and_is_used_once(
    state: State, tokens: NodeTokens, authority: NodeAuthority
) -> None:
    token = await tokens.create(OWNER, TokenRequest())
    made = await authority.find()
    assert made is not None
    assert parse_token(token.text)[1] == fingerprint(made.certificate)
    now = await state.read(lambda tx: tx.now)
    assert 3_590_000 < token.token.expires_at - now <= 3_600_000
    assert (await spent(state, token)).id == token.token.id
    used_up = "This token was used up: 1 of 1; make another with fyke node token"
    assert await refusal(state, token) == used_up


async def test_what_is_stored_cannot_be_used(state: State, tokens: NodeTokens) -> None:
    token = await tokens.create(OWNER, TokenRequest())
    secret, _ = parse_token(token.text)
    stored = await state.read(lambda tx: tx.node_tokens.all())
    assert token.token in stored and secret not in repr(stored) and secret not in repr(token)
    entries = await state.read(lambda tx: tx.audit.page("acme", before=0, limit=50, action=""))
    assert secret not in repr(entries)
    guess = replace(token, text=token.text.replace(secret, token.token.digest[:43]))
    assert await refusal(state, guess) == UNKNOWN


async def test_of_several_machines_one_joins_with_a_token(state: State, tokens: NodeTokens) -> None:
    token = await tokens.create(OWNER, TokenRequest())
    found = await asyncio.gather(
        *(spent(state, token, f"n{n}") for n in range(5)), return_exceptions=True
    )
    assert len([one for one in found if isinstance(one, NodeToken)]) == 1
    assert {type(one) for one in found} == {NodeToken, Forbidden}


async def test_a_token_is_bound_to_pool_names_and_labels(state: State, tokens: NodeTokens) -> None:
    request = TokenRequest("eu", {"gpu": "no"}, "gpu-*", uses=2, minutes=24 * 60)
    token = await tokens.create(OWNER, request)
    labels = {"gpu": "no", "rack": "1"}
    names = "The name n1 does not match gpu-*, which this token requires; choose one with --name"
    assert await refusal(state, token, "n1", labels=labels) == names
    pool = "This token is for the pool eu only"
    assert await refusal(state, token, "gpu-1", pool="us", labels=labels) == pool
    label = "This token is for nodes with the label gpu=no only"
    assert await refusal(state, token, "gpu-1", labels={"gpu": "yes"}) == label
    for name in ("gpu-1", "gpu-2"):
        await spent(state, token, name, labels=labels)
    used_up = "This token was used up: 2 of 2; make another with fyke node token"
    assert await refusal(state, token, "gpu-3", labels=labels) == used_up


async def test_expired_and_revoked_tokens_are_refused_with_the_cause(
    state: State, tokens: NodeTokens
) -> None:
    another = "; make another with fyke node token"
    short = await tokens.create(OWNER, EXPIRED)
    assert await refusal(state, short) == f"This token has expired{another}"
    token = await tokens.create(OWNER, TokenRequest("eu", uses=0))
    await tokens.revoke(OWNER, token.token.id)
    assert await refusal(state, token) == f"This token was revoked{another}"
    with pytest.raises(Refused, match="revoked already"):
        await tokens.revoke(OWNER, token.token.id)
    with pytest.raises(NotFound, match="list the tokens"):
        await tokens.revoke(OWNER, new_ulid())


async def test_tokens_are_listed_and_old_ones_removed(state: State, tokens: NodeTokens) -> None:
    now = await state.read(lambda tx: tx.now)
    old = NodeToken(new_ulid(), new_ulid(), "", {}, "", 1, now - KEEP_MS - 1, "ada", 0)
    kept = replace(old, id=new_ulid(), digest=new_ulid(), expires_at=now - KEEP_MS + 60_000)
    await state.write(lambda tx: [tx.node_tokens.add(one) for one in (old, kept)])
    token = await tokens.create(OWNER, TokenRequest())
    listed = await tokens.list(OWNER)
    assert token.token in listed and kept in listed and old not in listed


@pytest.mark.parametrize(
    ("request_", "field", "rule"),
    [
        (TokenRequest(uses=2), "uses", "must be 1 for a token without a pool; name a pool"),
        (TokenRequest(uses=0), "uses", "must be 1 for a token without a pool; name a pool"),
        (TokenRequest("eu", uses=-1), "uses", "must be 0 to 10000; 0 means any number"),
        (TokenRequest("eu", uses=10_001), "uses", "must be 0 to 10000; 0 means any number"),
        (TokenRequest(minutes=0), "minutes", MINUTES),
        (TokenRequest(minutes=43201), "minutes", MINUTES),
        (TokenRequest(minutes=float("nan")), "minutes", MINUTES),
        (TokenRequest("E U"), "pool", "must have 1 to 63 lower-case letters"),
        (TokenRequest(name_pattern="n?"), "names", "must have 1 to 63 lower-case letters"),
        (TokenRequest(labels={"A": "b"}), "labels", "the name of a label has 1 to 63"),
    ],
)
async def test_other_requests_are_refused(
    tokens: NodeTokens, request_: TokenRequest, field: str, rule: str
) -> None:
    with pytest.raises(InvalidRequest) as refused:
        await tokens.create(OWNER, request_)
    [problem] = refused.value.problems
    assert problem.field == field and problem.text.startswith(rule)


KEY = replace(OWNER, session_id="", key_id="k")


@pytest.mark.parametrize(
    ("caller", "error"),
    [
        (replace(OWNER, operator=False), Forbidden),
        (replace(OWNER, role=Role.MEMBER), Forbidden),
        (replace(OWNER, role=Role.VIEWER), Forbidden),
        (replace(OWNER, verified_at=0), ConfirmationNeeded),
        (KEY, Forbidden),
        (replace(KEY, operator=False, local=True), Forbidden),
    ],
)
async def test_only_owners_of_the_operators_account_make_tokens(
    state: State, tokens: NodeTokens, caller: Caller, error: type[FykeError]
) -> None:
    with pytest.raises(error):
        await tokens.create(caller, TokenRequest())
    if error is Forbidden and caller is not KEY:
        with pytest.raises(Forbidden):
            await tokens.list(caller)
        with pytest.raises(Forbidden):
            await tokens.revoke(caller, new_ulid())


async def test_the_operators_own_key_makes_tokens(tokens: NodeTokens) -> None:
    assert (await tokens.create(replace(KEY, local=True), TokenRequest())).text


async def test_making_and_revoking_are_in_the_audit_log(state: State, tokens: NodeTokens) -> None:
    caller = replace(OWNER, account_id=new_ulid())
    one = await tokens.create(caller, TokenRequest())
    other = await tokens.create(caller, TokenRequest("eu", {"b": "c"}, "n-*", 0, 48 * 60))
    await tokens.revoke(caller, other.token.id)
    account = caller.account_id
    entries = await state.read(lambda tx: tx.audit.page(account, before=0, limit=9, action=""))
    assert [(entry.action, entry.target, entry.detail) for entry in entries] == [
        (AuditAction.NODE_TOKEN_REVOKED, other.token.id, ""),
        (
            AuditAction.NODE_TOKEN_CREATED,
            other.token.id,
            "any number of uses, valid for 48 h, pool eu, names n-*, b=c",
        ),
        (AuditAction.NODE_TOKEN_CREATED, one.token.id, "one use, valid for 1 h"),
    ]


async def test_without_postgresql_no_token_is_made(state: State, authority: NodeAuthority) -> None:
    tokens = NodeTokens(state, authority, shared=False)
    with pytest.raises(Refused, match=r"SQLite: set database_url to .* docs/how-to/postgresql.md"):
        await tokens.create(OWNER, TokenRequest())


async def test_a_gateway_is_needed_while_a_machine_may_join_or_has_joined(
    state: State, tokens: NodeTokens
) -> None:
    async def is_needed() -> bool:
        found: bool = await state.read(needs_gateway)
        return found

    async def revoke_all() -> None:
        for token in await tokens.list(OWNER):
            if not token.revoked_at:
                await tokens.revoke(OWNER, token.id)

    for node in await state.read(lambda tx: tx.nodes.all()):
        await state.write(lambda tx, name=node.name: tx.nodes.remove(name))
    await revoke_all()
    assert not await is_needed()
    await tokens.create(OWNER, EXPIRED)
    assert not await is_needed()
    once = await tokens.create(OWNER, TokenRequest())
    assert await is_needed()
    await spent(state, once)
    assert not await is_needed()
    often = await tokens.create(OWNER, TokenRequest("eu", uses=0))
    await spent(state, often)
    assert await is_needed()
    await revoke_all()
    assert not await is_needed()
    await state.write(lambda tx: tx.nodes.add(Node("n1", "eu", {}, "", "J1", False, tx.now)))
    assert await is_needed()
    await state.write(lambda tx: tx.nodes.remove("n1"))


@pytest.mark.parametrize("text", ["", "fyken_x.y", "fyken_" + "a" * 43, "x" * 93])
def test_other_texts_are_no_tokens(text: str) -> None:
    with pytest.raises(InvalidRequest, match="token"):
        parse_token(text)


async def forget_authority(state: State) -> None:
    """The state of a database may be shared by tests."""
    await state.write(lambda tx: tx.installation.replace(FACT, '{"certificate": "", "key": ""}'))


async def test_servers_that_make_it_at_the_same_time_have_one_authority(state: State) -> None:
    await forget_authority(state)
    clock = ManualClock()
    servers = [NodeAuthority(state, Sealer(b"master"), clock) for _ in range(4)]
    made = await asyncio.gather(*(server.ensure() for server in servers))
    assert made == [made[0]] * 4 and await servers[0].find() == made[0]
    assert expiry_of(made[0].certificate) == clock.now_ms() // 1000 + 3650 * 86_400


async def test_an_authority_whose_key_cannot_be_opened_is_made_anew(state: State) -> None:
    before = await NodeAuthority(state, Sealer(b"old secret.key"), SystemClock()).ensure()
    now = NodeAuthority(state, Sealer(b"new secret.key"), SystemClock())
    assert await now.find() is None
    after = await now.ensure()
    assert after != before and await now.find() == after
    stored = await state.read(lambda tx: tx.installation.fact(FACT))
    assert "PRIVATE" not in stored
