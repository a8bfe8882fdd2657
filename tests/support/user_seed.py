"""Seed data for the pages of users: every state, keys, sessions, and unused links."""

from __future__ import annotations

from fyke.errors import SignInFailed
from fyke.model.account import Scope
from fyke.model.user import Purpose
from support.app import App

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 Safari/604.1"
PASSWORD = "a long enough secret"


async def seed_users(app: App) -> dict[str, str]:
    """Return an address for each page with a parameter, and for each link."""
    services, owner = app.services, app.owner
    await app.publish("website-content-crawler")  # the welcome page offers to start this Worker
    setup = await services.users.link(owner, "owner")
    _, ada = await services.users.invite(owner, "ada@example.com", "member")
    _, ben = await services.users.invite(owner, "ben", "viewer")
    await services.users.invite(owner, "grace", "member")
    await services.users.disable(owner, "grace")
    await services.links.use(Purpose.INVITE, ben.token, PASSWORD, FIREFOX, "192.0.2.17")
    reset = await services.users.link(owner, "ben")
    await services.accounts.create_key(owner, "nightly reports", scopes=frozenset({Scope.READ}))
    deploy = frozenset({Scope.RUN, Scope.WRITE})
    await services.accounts.create_key(
        owner, "deploy", expires_at=4_102_444_800_000, rate_limit=5, scopes=deploy
    )
    await services.accounts.create_key(owner, "old laptop")
    await services.accounts.revoke_key(owner, "old laptop")
    for _ in range(2):
        try:
            await services.sessions.sign_in("owner", "guessed", PHONE, "203.0.113.9")
        except SignInFailed:
            continue
    user = await app.storage.read(lambda tx: tx.accounts.user(owner.user_id))
    assert user is not None
    await services.sessions.start(user, PHONE, "203.0.113.9")
    await services.sessions.start(user, FIREFOX, "2001:db8:12:34:56:78:9a:bc")
    await services.profiles.save_view(owner, "runs", "state=failed&worker=owner%2Freader")
    return {
        "/settings/users/{name}": "/settings/users/ben",
        "/setup": setup.path,
        "/invite": ada.path,
        "/reset": reset.path,
    }
