"""The installation for its operator: health, accounts, plans, proxies, storage, versions."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

import structlog
from starlette.responses import Response

from fyke.console.amounts import dollars, no_dollars
from fyke.console.page import ConsolePage, Handler
from fyke.console.problems import faults_of
from fyke.console.texts import gettext as _
from fyke.console.view import View
from fyke.domain.accounts.service import Accounts
from fyke.domain.accounts.spending import CapChange, Spending
from fyke.domain.callbacks.allowed import FIELD, AllowedCallbacks
from fyke.domain.installation.service import Installation
from fyke.errors import Conflict, InvalidRequest, NotFound
from fyke.model.account import Plan
from fyke.model.health import HealthCheck, Level
from fyke.model.installation import HealthCard, Retention

AREA = "/admin"
CARD_WAIT = 0.15  # seconds that the page waits for its cards; later ones load by themselves
SMALL = 2**16
_CARDS = tuple(card.value for card in HealthCard)

_WORST_FIRST = (Level.BAD, Level.WARNING, Level.GOOD)

log = structlog.get_logger("fyke.console")


@dataclass(frozen=True, slots=True)
class AdminPages:
    installation: Installation
    accounts: Accounts
    spending: Spending
    allowed: AllowedCallbacks

    def pages(self) -> list[ConsolePage]:
        return [
            self._page("GET", "", self.health),
            self._page("GET", "/health/{card}", self.card),
            self._page("GET", "/accounts", self.list),
            self._page("POST", "/accounts", self.create),
            self._page("POST", "/accounts/{name}/credit", self.credit),
            self._page("POST", "/accounts/{name}/plan", self.plan),
            self._page("POST", "/accounts/{name}/caps", self.caps),
            self._page("GET", "/plans", self.plans),
            self._page("GET", "/proxies", self.proxies),
            self._page("POST", "/proxies/callbacks", self.allow),
            self._page("POST", "/proxies/callbacks/remove", self.forbid),
            self._page("GET", "/storage", self.storage),
            self._page("GET", "/versions", self.versions),
            self._page("GET", "/settings", self.settings),
        ]

    def _page(self, method: str, path: str, handler: Handler) -> ConsolePage:
        return ConsolePage(
            method,
            AREA + path,
            handler,
            area=AREA,
            operator=True,
            form_bytes=SMALL,
        )

    # --- health ----------------------------------------------------------------------------

    async def health(self, view: View) -> Response:
        """The page with the cards that are ready within ``CARD_WAIT``; it loads the rest later."""
        tasks = {name: asyncio.ensure_future(self._checks(view, name)) for name in _CARDS}
        await asyncio.wait(tasks.values(), timeout=CARD_WAIT)
        cards: dict[str, list[HealthCheck] | None] = {}
        for name, task in tasks.items():
            cards[name] = task.result() if task.done() else None
            task.cancel()
        worst_first = dict(sorted(cards.items(), key=lambda card: _rank(card[1])))
        return view.page("admin/health.html", area=AREA, cards=worst_first)

    async def card(self, view: View) -> Response:
        name = view.param("card")
        if name not in _CARDS:
            raise NotFound
        checks = await self._checks(view, name)
        if view.wants_part:
            return view.part("admin/card.html", "card", name=name, checks=checks)
        return view.page("admin/one.html", area=AREA, name=name, checks=checks)

    async def _checks(self, view: View, name: str) -> list[HealthCheck]:
        try:
            return await self.installation.card(view.caller, name)
        except Exception:
            log.exception("card failed", card=name)
            return [HealthCheck(name, Level.BAD, _("Internal error. See the server log."))]

    # --- accounts --------------------------------------------------------------------------

    async def list(self, view: View) -> Response:
        return await self._accounts(view)

    async def create(self, view: View) -> Response:
        try:
            account, key = await self.accounts.add_account(view.caller, view.form.get("name"))
        except (InvalidRequest, Conflict) as error:
            return await self._accounts(view, faults_of(error, {"name": "name"}))
        return view.page("admin/account_new.html", area=AREA, account=account, key=key)

    async def credit(self, view: View) -> Response:
        name = view.param("name")
        usd, traffic = _amount(view.form.get("usd")), _amount(view.form.get("traffic_mb"))
        if usd is None or traffic is None:
            text = _("Enter a number such as 25 or 2.50, or leave the field empty.")
            return await self._accounts(view, {"credit": text}, name)
        try:
            await self.accounts.credit(view.caller, name, usd, traffic)
        except InvalidRequest as error:
            return await self._accounts(view, {"credit": error.message}, name)
        return view.go(f"{AREA}/accounts", _("%(name)s was credited.") % {"name": name})

    async def plan(self, view: View) -> Response:
        name = view.param("name")
        changed = await self.accounts.set_plan(view.caller, name, view.form.get("plan"))
        values = {"name": name, "plan": changed.plan.value}
        return view.go(f"{AREA}/accounts", _("%(name)s now has the plan %(plan)s.") % values)

    async def caps(self, view: View) -> Response:
        name = view.param("name")
        run, month = dollars(view.form.get("run_cap")), dollars(view.form.get("month_cap"))
        if run is None or month is None:
            return await self._accounts(view, {"caps": no_dollars()}, name)
        try:
            await self.spending.change(view.caller, CapChange(run, month), account=name)
        except InvalidRequest as error:
            return await self._accounts(view, {"caps": error.message}, name)
        return view.go(f"{AREA}/accounts", _("The caps were changed."))

    async def _accounts(
        self, view: View, faults: Mapping[str, str] | None = None, about: str = ""
    ) -> Response:
        return view.page(
            "admin/accounts.html",
            status=422 if faults else 200,
            area=AREA,
            accounts=await self.accounts.list_accounts(view.caller),
            plans=list(Plan),
            traffic_quota=self.installation.tariff(view.caller).prices.traffic_quota,
            faults=faults or {},
            about=about,
            typed=view.form.values(),
        )

    # --- the rest --------------------------------------------------------------------------

    async def plans(self, view: View) -> Response:
        return view.page(
            "admin/plans.html",
            area=AREA,
            plans=await self.installation.plans(view.caller),
            tariff=self.installation.tariff(view.caller),
        )

    async def proxies(self, view: View) -> Response:
        """The page, with a preview of the entry in the query."""
        return await self._proxies(view, view.query.get(FIELD, ""))

    async def allow(self, view: View) -> Response:
        entry = view.form.get(FIELD)
        try:
            await self.allowed.allow(view.caller, entry)
        except (InvalidRequest, Conflict) as error:
            return await self._proxies(view, entry, faults_of(error, {FIELD: FIELD}, FIELD))
        text = _("Callbacks to %(entry)s are allowed. All servers know this within five seconds.")
        return view.go(f"{AREA}/proxies#callbacks", text % {"entry": entry.strip()})

    async def forbid(self, view: View) -> Response:
        entry = view.form.get(FIELD)
        await self.allowed.forbid(view.caller, entry)
        text = _("Callbacks to %(entry)s are no longer allowed.") % {"entry": entry.strip()}
        return view.go(f"{AREA}/proxies#callbacks", text)

    async def _proxies(
        self, view: View, entry: str, faults: Mapping[str, str] | None = None
    ) -> Response:
        faults, preview = dict(faults or {}), None
        if entry.strip() and not faults:
            try:
                preview = await self.allowed.preview(view.caller, entry)
            except InvalidRequest as error:
                faults = faults_of(error, {FIELD: FIELD})
        return view.page(
            "admin/proxies.html",
            status=422 if faults else 200,
            area=AREA,
            egress=self.installation.egress_report(view.caller),
            allowed=await self.allowed.list(view.caller),
            preview=preview,
            typed=entry,
            faults=faults,
        )

    async def storage(self, view: View) -> Response:
        faults: dict[str, str] = {}
        typed = view.query.get("days", "")
        retention = await self._retention(view, typed, faults)
        return view.page(
            "admin/storage.html",
            status=422 if faults else 200,
            area=AREA,
            report=await self.installation.storage(
                view.caller, fresh=view.query.get("fresh") == "1"
            ),
            retention=retention,
            typed=typed,
            faults=faults,
        )

    async def _retention(self, view: View, typed: str, faults: dict[str, str]) -> Retention:
        text = typed.strip()
        days = int(text) if text.isdecimal() and len(text) < 9 else None
        try:
            if text and days is None:
                faults["days"] = _("Enter a whole number of days.")
            else:
                return await self.installation.retention(view.caller, days)
        except InvalidRequest as error:
            faults.update(faults_of(error, {"days": "days"}))
        return await self.installation.retention(view.caller)

    async def versions(self, view: View) -> Response:
        components = await self.installation.versions(view.caller)
        return view.page("admin/versions.html", area=AREA, components=components)

    async def settings(self, view: View) -> Response:
        lines = self.installation.settings(view.caller)
        return view.page("admin/settings.html", area=AREA, lines=lines)


def _rank(checks: list[HealthCheck] | None) -> int:
    """The place of a card among others, by its worst check."""
    levels = {check.level for check in checks or ()}
    return next((at for at, level in enumerate(_WORST_FIRST) if level in levels), len(_WORST_FIRST))


def _amount(text: str) -> Decimal | None:
    """The amount, negative for a deduction, 0 for empty text, None when invalid."""
    digits = text.strip().replace(",", ".")
    try:
        amount = Decimal(digits or "0")
    except InvalidOperation:
        return None
    return amount if amount.is_finite() and abs(amount) < 10**12 else None
