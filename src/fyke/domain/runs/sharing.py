"""Share links, with which anyone can read one run without an account.

The token of a link is the share's id with a signature. The id alone gives no access, and the token
only until the share expires or is revoked, or its run is deleted.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass

from fyke.contracts.state import Storage, Transaction
from fyke.domain.access import own_run
from fyke.domain.accounts.audit import record
from fyke.domain.accounts.rights import require_editor, require_scope
from fyke.errors import InvalidFields, NotFound, Refused
from fyke.kit.ids import is_ulid, new_ulid
from fyke.model.account import Caller, Scope
from fyke.model.audit import AuditAction
from fyke.model.run import MAX_SHARE_DAYS, Run, Share

MAX_SHARES = 50  # of one run
_DAY_MS = 24 * 3600 * 1000
_SIGNATURE_BYTES = 24


@dataclass(frozen=True, slots=True)
class SharedRun:
    """A shared run, and the title of its worker; ``share`` says which parts are visible."""

    share: Share
    run: Run
    worker_title: str
    now: int


class Shares:
    """The share links of all accounts, signed with the secret ``master``."""

    def __init__(self, storage: Storage, master: bytes) -> None:
        self._storage = storage
        self._master = master

    async def create(
        self, caller: Caller, run_id: str, *, days: int, rows: bool, log: bool
    ) -> tuple[Share, str]:
        """Create a link for the caller's run; return it with its token.

        Raises ``Forbidden`` for viewers, ``ScopeMissing`` for a key that may not read what the link
        shows, ``RunNotFound``, ``InvalidFields``, and ``Refused`` when the run has the maximum.
        """
        require_editor(caller, "Sharing runs")
        if not 1 <= days <= MAX_SHARE_DAYS:
            raise InvalidFields(f"must be 1 to {MAX_SHARE_DAYS}", field="days")

        def work(tx: Transaction) -> Share:
            own_run(tx, caller, run_id)
            if rows or log:
                require_scope(caller, Scope.READ)
            valid = [share for share in tx.shares.of_run(run_id) if share.valid(tx.now)]
            if len(valid) >= MAX_SHARES:
                raise Refused(
                    f"A run has at most {MAX_SHARES} share links; revoke one that is not needed"
                )
            share = Share(
                id=new_ulid(),
                account_id=caller.account_id,
                run_id=run_id,
                made_by=caller.user_id,
                rows=rows,
                log=log,
                created_at=tx.now,
                expires_at=tx.now + days * _DAY_MS,
                revoked_at=0,
            )
            tx.shares.add(share)
            record(tx, caller, AuditAction.RUN_SHARED, run_id)
            return share

        share = await self._storage.write(work)
        return share, token_of(self._master, share.id)

    async def of_run(self, caller: Caller, run_id: str) -> list[tuple[Share, str]]:
        """The valid links of the caller's run, newest first, with their tokens.

        Raises ``Forbidden`` for viewers, because a token gives anyone access, and ``RunNotFound``.
        """
        require_editor(caller, "Reading share links")

        def work(tx: Transaction) -> list[Share]:
            own_run(tx, caller, run_id)
            return [share for share in tx.shares.of_run(run_id) if share.valid(tx.now)]

        shares = await self._storage.read(work)
        return [(share, token_of(self._master, share.id)) for share in shares]

    async def revoke(self, caller: Caller, share_id: str) -> Share:
        """Revoke a link, unless it was revoked before.

        Raises ``Forbidden`` for viewers and ``NotFound``, also for another account's link.
        """
        require_editor(caller, "Revoking share links")

        def work(tx: Transaction) -> Share:
            share = tx.shares.get(share_id)
            if share is None or share.account_id != caller.account_id:
                raise NotFound("Share link does not exist")
            tx.shares.revoke(share_id, tx.now)
            if share.valid(tx.now):
                record(tx, caller, AuditAction.RUN_UNSHARED, share.run_id)
            return share

        return await self._storage.write(work)

    async def open(self, token: str) -> SharedRun:
        """The run of a link. Raises the same ``NotFound`` for all invalid links: forged, expired,
        revoked, or of a deleted run.
        """
        share_id = share_id_in(self._master, token)

        def work(tx: Transaction) -> SharedRun | None:
            share = tx.shares.get(share_id) if share_id else None
            run = tx.runs.get(share.run_id) if share and share.valid(tx.now) else None
            if share is None or run is None:
                return None
            worker = tx.workers.get(run.worker_id)
            title = (worker.title or worker.name) if worker else ""
            return SharedRun(share, run, title, tx.now)

        shared = await self._storage.read(work)
        if shared is None:
            raise NotFound("This link is not valid: it has expired, or was revoked")
        return shared


def token_of(master: bytes, share_id: str) -> str:
    """The token of a link: 59 characters that need no escaping in a URL."""
    return f"{share_id}-{_signature(master, share_id)}"


def share_id_in(master: bytes, token: str) -> str | None:
    """The id of the share in the token; None for an invalid signature."""
    share_id, _, signature = token.partition("-")
    if not is_ulid(share_id):
        return None
    expected = _signature(master, share_id)
    valid = hmac.compare_digest(expected.encode(), signature.encode("utf-8", "replace"))
    return share_id if valid else None


def _signature(master: bytes, share_id: str) -> str:
    if not master:
        raise ValueError("the master secret is empty")
    # the label separates it from other uses of the master secret
    digest = hmac.new(master, b"share:" + share_id.encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest[:_SIGNATURE_BYTES]).decode()
