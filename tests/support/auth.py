"""Sign-in with a real database, a manual clock and fast hashes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from argon2 import PasswordHasher

from fyke.domain.accounts.audit import AuditLog
from fyke.domain.accounts.codes import STEP_MS, CodeCheck
from fyke.domain.accounts.confirmation import Confirmations, OwnPassword
from fyke.domain.accounts.links import OneTimeLinks
from fyke.domain.accounts.passwords import Passwords
from fyke.domain.accounts.profiles import Profiles
from fyke.domain.accounts.second_factor import SecondFactors
from fyke.domain.accounts.service import Accounts
from fyke.domain.accounts.sessions import NewSession, Sessions
from fyke.domain.accounts.users import Users
from fyke.kit.clock import ManualClock
from fyke.kit.sealing import Sealer
from fyke.model.account import Caller, User
from fyke.model.user import Purpose
from fyke.storage.sql.state.storage import SqlStorage, open_storage

PASSWORD = "a long enough secret"
HOME = "192.0.2.1"
AWAY = "203.0.113.9"


class CountingPasswords(Passwords):
    """Records verifications: they must take as long for an unknown name as for a known one."""

    def __init__(self) -> None:
        super().__init__(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
        self.verified: list[bool] = []  # whether the user had a hash

    async def verify(self, stored: str, password: str) -> bool:
        self.verified.append(bool(stored))
        return await super().verify(stored, password)


@dataclass
class Auth:
    """The services of accounts and sign-in. ``owner`` is the caller with ``owner_key``."""

    storage: SqlStorage
    clock: ManualClock
    passwords: CountingPasswords
    accounts: Accounts
    sessions: Sessions
    links: OneTimeLinks
    profiles: Profiles
    users: Users
    audit: AuditLog
    codes: CodeCheck
    confirmations: Confirmations
    second_factors: SecondFactors
    owner: Caller
    owner_key: str

    async def user(self, name: str) -> User:
        stored = await self.storage.read(lambda tx: tx.accounts.user_by_name(name))
        assert stored is not None
        return stored

    async def add(self, name: str, role: str = "member", password: str = PASSWORD) -> NewSession:
        """Invite a user who chooses a password; return the session."""
        _, link = await self.users.invite(self.owner, name, role)
        return await self.links.use(Purpose.INVITE, link.token, password, "first", HOME)

    async def set_up(self) -> NewSession:
        """Let the owner choose a password; return the session."""
        link = await self.users.link(self.owner, "owner")
        return await self.links.use(Purpose.SETUP, link.token, PASSWORD, "first", HOME)

    async def caller(self, session: NewSession) -> Caller:
        return (await self.sessions.authenticate(session.token)).caller

    async def enter(self, name: str, password: str = PASSWORD, address: str = HOME) -> NewSession:
        session = await self.sessions.sign_in(name, password, "a browser", address)
        assert isinstance(session, NewSession)
        return session

    async def with_app(self, session: NewSession) -> tuple[str, list[str]]:
        """Switch the second factor of the session's user on; return secret and recovery codes."""
        caller = await self.caller(session)
        secret = (await self.second_factors.begin(caller, "")).secret
        return secret, await self.second_factors.enable(caller, self.code(secret))

    def code(self, secret: str, *, later: int = 0) -> str:
        """The code of the app, now or so many steps later."""
        from pyotp import TOTP  # few of the tests that open the services need it

        return TOTP(secret).generate_otp(self.clock.now_ms() // STEP_MS + later)

    def other_process(self) -> Sessions:
        """The sessions of another process."""
        return Sessions(self.storage, self.clock, self.passwords, self.codes)


@asynccontextmanager
async def open_auth(url: str) -> AsyncIterator[Auth]:
    """Open the services with the prepared, empty database at ``url``."""
    clock = ManualClock()
    storage = open_storage(
        url, durable=False, notify=lambda topic: None, hiding=frozenset(), clock=clock.now_ms
    )
    passwords = CountingPasswords()
    accounts = Accounts(storage, clock)
    codes = CodeCheck(storage, clock, Sealer(b"secret"))
    own_password = OwnPassword(storage, clock, passwords)
    sessions = Sessions(storage, clock, passwords, codes)
    _, key = await accounts.bootstrap()
    assert key is not None
    try:
        yield Auth(
            storage,
            clock,
            passwords,
            accounts,
            sessions,
            OneTimeLinks(storage, passwords, codes, sessions),
            Profiles(storage, own_password, passwords, sessions),
            Users(storage, accounts, sessions),
            AuditLog(storage),
            codes,
            Confirmations(storage, own_password, codes, sessions),
            SecondFactors(storage, codes, sessions),
            await accounts.authenticate(key),
            key,
        )
    finally:
        await storage.close()
