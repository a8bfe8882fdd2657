"""Live views of the browsers of running runs, and taking them over.

All users who may read a run may watch. Only owners may take over, after they have confirmed their
password; the audit log has who did, and the log of the run, which the gateway writes. Sessions and
roles are read again with each input, and every few seconds while a user watches.

What was taken over ends by itself, too. So the process that has taken a browser over for a user
waits for the end, however it comes, and writes the only entry about it in the audit log.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from time import monotonic

from fyke.contracts.browser_view import (
    GIVEN_BACK_WHY,
    MAX_MACHINE_WATCHERS,
    MAX_WATCHERS,
    MAX_WINDOWS,
    BrowserInput,
    BrowserViews,
    BrowserWatch,
    NodeViews,
    Picture,
    TakenBrowser,
    TakeoverEnd,
    ViewRefusal,
    ViewRefused,
    ViewUpdate,
)
from fyke.contracts.state import Storage, Transaction
from fyke.domain.access import own_run
from fyke.domain.accounts.audit import record
from fyke.domain.accounts.rights import require_confirmed, require_owner
from fyke.domain.accounts.sessions import current
from fyke.domain.results.commit import retry_while_unavailable
from fyke.errors import (
    Conflict,
    Forbidden,
    FykeError,
    Refused,
    RunNotFound,
    SessionEnded,
    Unavailable,
    UserDisabled,
)
from fyke.kit.ids import is_ulid
from fyke.model.account import Caller, Role
from fyke.model.audit import AuditAction
from fyke.model.run import Attempt
from fyke.model.runner import NODE_PLACE, RunnerInfo

CHECK_SECONDS = 2.0  # between two looks at the session of a user who watches
_CLOSE_SECONDS = 3.0
_TAKE_OVER = "Taking over a browser"
_NODE_AWAY = "The node of this browser does not answer; try again later"
_GONE = "This browser is no longer open"


class NotViewable(Refused):
    """There is no live view now; ``refusal`` says why, ``name`` is that of a user or a machine."""

    def __init__(self, refusal: ViewRefusal, name: str = "") -> None:
        super().__init__(_TEXTS[refusal].format(name=name or "another machine"))
        self.refusal = refusal
        self.name = name


_TEXTS = {
    ViewRefusal.ELSEWHERE: "The live view of this browser is on {name} only",
    ViewRefusal.FULL: f"{MAX_WATCHERS} users are watching this browser already; try again later",
    ViewRefusal.WINDOWS: (
        f"You are watching this browser in {MAX_WINDOWS} windows already; close one of them"
    ),
    ViewRefusal.MACHINE_FULL: (
        f"{MAX_MACHINE_WATCHERS} users are watching browsers on this machine; try again later"
    ),
    ViewRefusal.TAKEN: "{name} has taken over this browser",
    ViewRefusal.NOT_TAKEN: "You have not taken over this browser, or no longer control it",
    ViewRefusal.NO_PAGE: "This page is not watched, or was closed",
    ViewRefusal.REPLACED: "The page shows something else by now; look at its new picture",
    ViewRefusal.AWAY: "The process that serves browsers does not answer; try again later",
}


@dataclass(frozen=True, slots=True)
class OpenBrowser:
    """An attempt with an open browser. ``ordinal`` is that of its subtask, from 0, and ``node`` the
    machine that it runs on, which has joined as a node if ``joined``; ``gateway`` is where servers
    reach the gateway of that node.
    """

    attempt_id: str
    ordinal: int
    node: str
    joined: bool = False
    gateway: str = ""


class RunBrowserViews:
    """``views`` are those of this machine, None where live views are switched off; ``nodes`` are
    those of nodes.
    """

    def __init__(
        self, storage: Storage, views: BrowserViews | None, nodes: NodeViews | None = None
    ) -> None:
        self._storage = storage
        self._views = views
        self._nodes = nodes
        self._taken: dict[asyncio.Task[None], TakenBrowser] = {}

    async def close(self) -> None:
        """Give back what users of this process have taken over."""
        for taken in self._taken.values():
            taken.close()
        if self._taken:
            _, late = await asyncio.wait(self._taken, timeout=_CLOSE_SECONDS)
            for task in late:
                task.cancel()

    @property
    def enabled(self) -> bool:
        return self._views is not None

    @staticmethod
    def may_take_over(caller: Caller) -> bool:
        """Whether the role allows it."""
        return caller.role is Role.OWNER and bool(caller.session_id)

    async def open_browsers(self, caller: Caller, run_id: str) -> tuple[OpenBrowser, ...]:
        """The attempts of a run that have an open browser, the latest last. Raise
        ``RunNotFound``.
        """
        return await self._storage.read(lambda tx: _open_browsers(tx, caller, run_id))

    async def watch(
        self, caller: Caller, run_id: str, attempt_id: str, page: str = ""
    ) -> BrowserWatch:
        """Watch a page of an attempt, or without ``page`` the newest one, until the session of the
        caller ends. Raise ``RunNotFound``, ``SessionEnded``, ``UserDisabled``, ``Unavailable``, or
        ``Refused``: ``NotViewable`` if the gateway did.
        """
        caller = await self._current(caller)
        browser = await self._find(caller, run_id, attempt_id)
        holder = caller.session_id if self.may_take_over(caller) else ""
        try:
            watch = await self._views_of(browser).watch(attempt_id, page, holder, caller.user_id)
        except ViewRefused as refused:
            raise self._error(refused, browser) from None

        async def check() -> None:
            try:
                may_act = self.may_take_over(await self._current(caller))
            except (SessionEnded, UserDisabled):
                await self._revoke(caller, browser)
                raise
            if holder and not may_act:
                await self._revoke(caller, browser)

        return _CheckedWatch(watch, check) if caller.session_id else watch

    async def picture(
        self,
        caller: Caller,
        run_id: str,
        *,
        attempt_id: str = "",
        subtask: int = 0,
        seconds: float = 5.0,
    ) -> Picture:
        """A picture of the newest page of an attempt: the named one, that of a subtask (from 1), or
        the latest. Raise as ``watch``, and ``Refused`` when there is none within ``seconds``.
        """
        open_ones = [
            browser.attempt_id
            for browser in await self.open_browsers(caller, run_id)
            if subtask in (0, browser.ordinal + 1) and attempt_id in ("", browser.attempt_id)
        ]
        if not open_ones:
            raise Refused("No browser of this run is open")
        watch = await self.watch(caller, run_id, open_ones[-1])
        try:
            async with asyncio.timeout(seconds):  # states may come without end
                while (update := await watch.next(seconds)) is not None:
                    if update.picture is not None:
                        return update.picture
                    if update.state is None:
                        break
        except TimeoutError:
            pass
        finally:
            watch.close()
        raise Refused("The browser shows no page")

    async def take_over(self, caller: Caller, run_id: str, attempt_id: str) -> None:
        """Let the caller send input. Raise as ``watch``, ``Forbidden``, ``ConfirmationNeeded``, and
        ``Conflict`` while another user has taken over.
        """
        _require_session(caller)
        caller = await self._current(caller)
        _require_session(caller)

        def check(tx: Transaction) -> None:
            own_run(tx, caller, run_id)
            require_confirmed(tx, caller)

        await self._storage.read(check)
        browser = await self._find(caller, run_id, attempt_id)
        try:
            taken = await self._views_of(browser).take_over(
                attempt_id, caller.session_id, caller.user_name
            )
        except ViewRefused as refused:
            raise self._error(refused, browser) from None
        try:
            await self._log(caller, AuditAction.BROWSER_TAKEN, run_id, browser)
        except BaseException:  # no user has a browser that the audit log does not name
            with suppress(ViewRefused):
                await self._views_of(browser).give_back(attempt_id, caller.session_id)
            taken.close()
            raise
        task = asyncio.create_task(self._log_end(taken, caller, run_id, browser))
        self._taken[task] = taken
        task.add_done_callback(self._taken.pop)

    async def act(
        self,
        caller: Caller,
        run_id: str,
        attempt_id: str,
        page: str,
        picture: int,
        inputs: Sequence[BrowserInput],
    ) -> None:
        """Send input to a page, made for its picture of this number. Raise as ``watch``,
        ``Forbidden``, and ``Conflict`` when the page shows something else by now.
        """
        _require_session(caller)
        try:
            _require_session(await self._current(caller))
        except (SessionEnded, UserDisabled, Forbidden):
            with suppress(Refused, RunNotFound):
                await self._revoke(caller, await self._find(caller, run_id, attempt_id))
            raise
        browser = await self._find(caller, run_id, attempt_id)
        try:
            await self._views_of(browser).act(attempt_id, caller.session_id, page, picture, inputs)
        except ViewRefused as refused:
            raise self._error(refused, browser) from None

    async def give_back(self, caller: Caller, run_id: str, attempt_id: str) -> None:
        """End what ``take_over`` allowed. Raise as ``act``."""
        _require_session(caller)
        browser = await self._find(caller, run_id, attempt_id)
        try:
            await self._views_of(browser).give_back(attempt_id, caller.session_id)
        except ViewRefused as refused:
            raise self._error(refused, browser) from None

    async def _log_end(
        self, taken: TakenBrowser, caller: Caller, run_id: str, browser: OpenBrowser
    ) -> None:
        """Record the end of what was taken over. It is none if the same user took it again."""
        how = await taken.ended()
        taken.close()
        if how is not TakeoverEnd.TAKEN_AGAIN:
            action, why = AuditAction.BROWSER_GIVEN_BACK, GIVEN_BACK_WHY.get(how, "")
            await retry_while_unavailable(lambda: self._log(caller, action, run_id, browser, why))

    async def _current(self, caller: Caller) -> Caller:
        if not caller.session_id:
            return caller
        return await self._storage.read(lambda tx: current(tx, caller))

    async def _revoke(self, caller: Caller, browser: OpenBrowser) -> None:
        """Take from a session what it has taken over."""
        if self._views is not None and caller.session_id:
            with suppress(ViewRefused):
                views = self._views_of(browser)
                await views.give_back(browser.attempt_id, caller.session_id, revoked=True)

    def _views_of(self, browser: OpenBrowser) -> BrowserViews:
        """The views of the machine of a browser. Raise ``ViewRefused``."""
        views = self._of_machine()
        if not browser.joined:
            return views
        if self._nodes is None or not browser.gateway:
            raise ViewRefused(ViewRefusal.AWAY)
        return self._nodes.of(browser.node, browser.gateway)

    def _of_machine(self) -> BrowserViews:
        if self._views is None:
            raise Refused("Live views are switched off: browser_live in the settings of Fyke")
        return self._views

    async def _find(self, caller: Caller, run_id: str, attempt_id: str) -> OpenBrowser:
        """An active attempt of the run. Its browser may be open or not."""

        def work(tx: Transaction) -> OpenBrowser:
            own_run(tx, caller, run_id)
            attempt = tx.runs.attempt(attempt_id) if is_ulid(attempt_id) else None
            if attempt is None or attempt.run_id != run_id or attempt.outcome is not None:
                raise Refused(_GONE)
            browser = _browser_of(attempt, _runners(tx))
            node = tx.nodes.get(browser.node) if browser.joined else None
            if node is None or node.runner_id != attempt.runner_id:
                return browser
            return replace(browser, gateway=node.gateway_id)

        return await self._storage.read(work)

    def _error(self, refused: ViewRefused, browser: OpenBrowser) -> FykeError:
        if refused.refusal in (ViewRefusal.TAKEN, ViewRefusal.REPLACED):
            return Conflict(_TEXTS[refused.refusal].format(name=refused.name))
        if refused.refusal is ViewRefusal.AWAY:
            return Unavailable(_NODE_AWAY if browser.joined else _TEXTS[refused.refusal])
        is_its_own = browser.joined or self._of_machine().node() == browser.node
        if refused.refusal is ViewRefusal.ELSEWHERE and is_its_own:
            return Refused(_GONE)
        return NotViewable(refused.refusal, browser.node)

    async def _log(
        self,
        caller: Caller,
        action: AuditAction,
        run_id: str,
        browser: OpenBrowser,
        why: str = "",
    ) -> None:
        detail = f"subtask {browser.ordinal + 1}" + (f": {why}" if why else "")
        await self._storage.write(lambda tx: record(tx, caller, action, run_id, detail))


class _CheckedWatch:
    """A watch that ends when ``check`` raises, which is called every few seconds."""

    def __init__(self, watch: BrowserWatch, check: Callable[[], Awaitable[None]]) -> None:
        self._watch = watch
        self._check = check
        self._check_at = monotonic() + CHECK_SECONDS

    async def next(self, seconds: float) -> ViewUpdate | None:
        until = monotonic() + seconds
        while True:
            now = monotonic()
            if now >= self._check_at:
                try:
                    await self._check()
                except (SessionEnded, UserDisabled):
                    return None
                self._check_at = monotonic() + CHECK_SECONDS
            update = await self._watch.next(max(0.0, min(until - now, CHECK_SECONDS)))
            if update is None or update.state or update.picture or monotonic() >= until:
                return update

    def close(self) -> None:
        self._watch.close()


def _require_session(caller: Caller) -> None:
    require_owner(caller, _TAKE_OVER)
    if not caller.session_id:
        raise Forbidden(f"{_TAKE_OVER} is possible in the console only, not with a key")


def _runners(tx: Transaction) -> dict[str, RunnerInfo]:
    return {runner.id: runner for runner in tx.runs.runners(0)}


def _browser_of(attempt: Attempt, runners: Mapping[str, RunnerInfo]) -> OpenBrowser:
    runner = runners.get(attempt.runner_id)
    if runner is None:
        return OpenBrowser(attempt.id, attempt.ordinal, "")
    joined = runner.place.startswith(NODE_PLACE)
    return OpenBrowser(attempt.id, attempt.ordinal, runner.node, joined)


def _open_browsers(tx: Transaction, caller: Caller, run_id: str) -> tuple[OpenBrowser, ...]:
    run = own_run(tx, caller, run_id)
    reports = tx.browsers.of_run(run.id)
    attempts = [
        attempt
        for attempt in tx.runs.attempts(run.id)
        if attempt.outcome is None and attempt.id in reports and reports[attempt.id].is_open
    ]
    runners = _runners(tx) if attempts else {}
    return tuple(
        _browser_of(attempt, runners)
        for attempt in sorted(attempts, key=lambda attempt: attempt.id)
    )
