"""The connections of an attempt: the egress, and the gateway that serves its browser."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from socket import socket

import structlog

from fyke.contracts.egress import EgressGrant
from fyke.domain.runs.outcome import end_of
from fyke.errors import Unavailable
from fyke.kit.unnamed_socket import listen_unnamed
from fyke.model.node import AttemptOrder
from fyke.model.run import End
from fyke.model.worker import BrowserNeed
from fyke.reasons import ReasonCode
from fyke.runner.attempt_environment import WriteNote
from fyke.runner.browser import AttemptBrowser
from fyke.runner.browser_places import BrowserPlaces
from fyke.runner.dependencies import AttemptDependencies
from fyke.runner.faults import EgressAway

log = structlog.get_logger()


class AttemptConnections:
    """Opens them on the listeners of its sandbox. ``browser`` is None where there is none."""

    def __init__(
        self,
        order: AttemptOrder,
        deps: AttemptDependencies,
        places: BrowserPlaces | None,
        note: WriteNote,
    ) -> None:
        """``places`` are those of the runner for browsers; ``note`` masks secrets."""
        self.browser: AttemptBrowser | None = None
        self._order = order
        self._deps = deps
        self._places = places or BrowserPlaces(deps.browser)
        self._note = note
        self._is_browser_missed = False

    async def open(self, listeners: Mapping[str, socket], password: str) -> None:
        """Let the egress serve the ports of the proxy, and the gateway those of the browser. Raise
        ``EgressAway``.
        """
        order = self._order
        if order.region and not self._deps.egress_rules.reaches(order.region):
            self._note(f"proxy_region {order.region} has no upstream; going out directly.")
        grant = EgressGrant(
            attempt_id=order.key.id,
            secret=password,
            region=order.region,
            allow=order.egress_allow,
            limit_bytes=order.limits.max_traffic_bytes or None,
            domains=order.version.egress,
            session=order.key.run_id,
        )
        ports = [listeners[name] for name in ("cdp", "cdp80") if name in listeners]
        port, address = self._listen_for_proxy() if ports else (None, None)
        try:
            proxy = [listeners["proxy"], listeners["proxy6000"]]
            await self._deps.egress.open(proxy, grant, address)
            if not ports:
                return
            if port is not None:
                ports.append(port)
            if await self._open_browser(ports, password):
                return
            for listener in ports:
                await self._deps.egress.refuse_browser(
                    order.key.id, listener, self.note_missing_browser
                )
        except Unavailable as error:
            raise EgressAway from error
        finally:
            if port is not None:
                port.close()
            if address is not None:
                os.close(address)

    def _listen_for_proxy(self) -> tuple[socket | None, int | None]:
        """A browser port for clients that ask the proxy for the browser, and its address. Without
        room for a socket the others have to do.
        """
        try:
            return listen_unnamed()
        except OSError as error:
            log.warning("browser_not_at_proxy", attempt=self._order.key.id, error=str(error))
            return None, None

    async def _open_browser(self, ports: Sequence[socket], password: str) -> bool:
        """Let the gateway serve the browser ports; return whether it does."""
        order, deps = self._order, self._deps.browser
        if deps is None or deps.missing:
            return False
        browser = AttemptBrowser(
            order.key,
            deps,
            self._deps.egress,
            self._deps.gateway,
            self._places,
            lambda kind, text: self._note(text, kind),
            declined=self._declines_browser,
            expected=order.version.browser.possible,
            choice=order.browser_choice,
        )
        try:
            await browser.open(ports, password, order.browser_block)
        except Unavailable:
            self._note("The process that serves browsers does not answer.")
            return False
        self.browser = browser
        return True

    @property
    def _declines_browser(self) -> bool:
        """Whether the version declares that it uses no browser."""
        return self._order.version.browser is BrowserNeed.NONE

    def note_missing_browser(self) -> None:
        """Log once that the Worker asked for a browser and there is none."""
        if not self._is_browser_missed:
            self._is_browser_missed = True
            self._note(f"The Worker asked for a browser; {self._deps.no_browser}.")

    def explained(self, end: End) -> End:
        """The end with the browser as its reason, if the Worker exited with an error and requested
        one that is missing or has failed.
        """
        if not end.reason or end.reason.code is not ReasonCode.EXIT_CODE:
            return end
        if self._is_browser_missed:
            declined = self._declines_browser
            code = ReasonCode.BROWSER_NOT_DECLARED if declined else ReasonCode.NO_BROWSER
            return end_of(replace(end.reason, code=code))
        if self.browser is not None and (failure := self.browser.failure):
            params = {**end.reason.params, **failure.params}
            return end_of(replace(failure, params=params))
        return end
