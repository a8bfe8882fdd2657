"""Settings of the user and account: preferences, password, sessions, time zone, caps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from fyke.console import cookies, run_filters
from fyke.console.agents import browser_name
from fyke.console.amounts import dollars, no_dollars
from fyke.console.formats import plain_dollars
from fyke.console.page import ConsolePage
from fyke.console.problems import faults_of
from fyke.console.settings_tabs import AREA, tabs_for
from fyke.console.texts import LANGUAGES, choose_language, use_language
from fyke.console.texts import gettext as _
from fyke.console.view import View
from fyke.domain.accounts.mail_addresses import MailAddresses
from fyke.domain.accounts.profiles import Profiles, zone_names
from fyke.domain.accounts.second_factor import SecondFactors
from fyke.domain.accounts.service import Accounts
from fyke.domain.accounts.sessions import Sessions
from fyke.domain.accounts.spending import CapChange, Spending
from fyke.domain.schedules.service import Schedules
from fyke.errors import InvalidRequest, NotFound, RateLimited
from fyke.model.account import Role

PATH = "/settings/account"


@dataclass(frozen=True, slots=True)
class OwnAccountPages:
    accounts: Accounts
    sessions: Sessions
    profiles: Profiles
    schedules: Schedules
    spending: Spending
    second_factors: SecondFactors
    mail_addresses: MailAddresses

    def pages(self) -> list[ConsolePage]:
        return [
            ConsolePage("GET", "/settings", _to_account),
            ConsolePage("GET", PATH, self.show, area=AREA),
            ConsolePage("POST", f"{PATH}/preferences", self.prefer, area=AREA),
            ConsolePage("POST", f"{PATH}/views/forget", self.forget_view, area=AREA),
            ConsolePage(
                "POST",
                f"{PATH}/password",
                self.change_password,
                area=AREA,
                excluded=frozenset({"old", "new"}),
            ),
            ConsolePage("POST", f"{PATH}/time-zone", self.set_zone, area=AREA),
            ConsolePage("POST", f"{PATH}/caps", self.set_caps, area=AREA),
            ConsolePage("POST", f"{PATH}/sessions/others/end", self.end_others, area=AREA),
            ConsolePage("POST", f"{PATH}/sessions/{{id}}/end", self.end, area=AREA),
        ]

    async def show(self, view: View) -> Response:
        return await self._page(view)

    async def prefer(self, view: View) -> Response:
        typed = {name: view.form.get(name) for name in ("language", "theme", "snippets")}
        zone = view.form.get("time_zone").strip()
        try:
            chosen = await self.profiles.change_preferences(view.caller, **typed, time_zone=zone)
        except InvalidRequest as error:
            fields = {name: name for name in (*typed, "time_zone")}
            return await self._page(view, faults_of(error, fields), typed | {"time_zone": zone})
        accepted = view.request.headers.get("accept-language", "")
        with use_language(choose_language(chosen.language, accepted)):  # that of the next page
            response = view.go(PATH, _("Your preferences were saved."))
        # so that the sign-in page looks the same
        cookies.set_preference(response, view.visit, cookies.LANGUAGE, chosen.language)
        theme = "" if chosen.theme == "system" else chosen.theme
        cookies.set_preference(response, view.visit, cookies.THEME, theme)
        return response

    async def forget_view(self, view: View) -> Response:
        await self.profiles.save_view(view.caller, view.form.get("name"), "")
        return view.go(PATH, _("The page uses its default view again."))

    async def change_password(self, view: View) -> Response:
        agent = view.request.headers.get("user-agent", "")
        old, new = view.form.get("old"), view.form.get("new")
        try:
            session = await self.profiles.change_password(
                view.caller, old, new, agent, view.visit.address
            )
        except (InvalidRequest, RateLimited) as error:
            return await self._page(view, faults_of(error, {"old": "old", "new": "new"}))
        response = view.go(PATH, _("Your password was changed. All other sessions have ended."))
        cookies.set_session(response, view.visit, session.token)
        return response

    async def set_zone(self, view: View) -> Response:
        zone = view.form.get("account_zone").strip()
        try:
            await self.schedules.set_account_zone(view.caller, zone)
        except InvalidRequest as error:
            faults = faults_of(error, {"time_zone": "account_zone"})
            return await self._page(view, faults, {"account_zone": zone})
        notice = _("Schedules without a time zone now use %(zone)s.") % {"zone": zone}
        return view.go(PATH, notice)

    async def set_caps(self, view: View) -> Response:
        typed = {name: view.form.get(name).strip() for name in ("run_cap", "month_cap")}
        faults = {name: no_dollars() for name, text in typed.items() if dollars(text) is None}
        if faults:
            return await self._page(view, faults, typed)
        change = CapChange(dollars(typed["run_cap"]), dollars(typed["month_cap"]))
        try:
            await self.spending.change(view.caller, change)
        except InvalidRequest as error:
            fields = {name: name for name in typed}
            return await self._page(view, faults_of(error, fields), typed)
        return view.go(f"{PATH}#spending", _("The caps were changed."))

    async def end(self, view: View) -> Response:
        try:
            await self.sessions.revoke(view.caller, view.param("id"))
        except NotFound:
            return view.go(PATH, _("The session had already ended."), "warn")
        return view.go(PATH, _("The session has ended."))

    async def end_others(self, view: View) -> Response:
        await self.sessions.revoke_others(view.caller, view.caller.session_id)
        return view.go(PATH, _("All other sessions were ended."))

    async def _page(
        self,
        view: View,
        faults: dict[str, str] | None = None,
        typed: dict[str, str] | None = None,
    ) -> Response:
        chosen = await self.profiles.preferences(view.caller)
        account = await self.accounts.get(view.caller)
        spending = await self.spending.status(view.caller)
        values: dict[str, Any] = {
            "language": chosen.language,
            "theme": chosen.theme,
            "snippets": chosen.snippets,
            "time_zone": chosen.time_zone,
            "account_zone": account.time_zone,
            "run_cap": plain_dollars(account.run_cap_micros),
            "month_cap": plain_dollars(account.month_cap_micros),
        }
        return view.page(
            "settings/account.html",
            status=422 if faults else 200,
            area=AREA,
            tabs=tabs_for(view),
            values=values | (typed or {}),
            faults=faults or {},
            views=chosen.views,
            view_of_runs=run_filters.read_saved(chosen.views.get(run_filters.VIEW, "")),
            account=account,
            address=await self.mail_addresses.status(view.caller),
            factor=await self.second_factors.status(view.caller),
            spending=spending,
            is_owner=view.caller.role is Role.OWNER,
            browser_name=browser_name,
            own_session=view.caller.session_id,
            sessions=await self.sessions.list(view.caller),
            languages=[
                ("", _("Browser language")),
                *((language.tag, language.name) for language in LANGUAGES),
            ],
            zones=zone_names(),
        )


async def _to_account(view: View) -> Response:
    """Nothing else is at ``/settings``."""
    return view.go(PATH)
