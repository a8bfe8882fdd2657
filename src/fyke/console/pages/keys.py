"""API keys: list, creation (shown once), revocation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from starlette.responses import Response

from fyke.console.page import ConsolePage
from fyke.console.problems import faults_of
from fyke.console.texts import gettext as _
from fyke.console.view import View
from fyke.domain.accounts.scopes import read_scopes
from fyke.domain.accounts.service import Accounts
from fyke.domain.accounts.users import Users
from fyke.errors import ConfirmationNeeded, Conflict, Forbidden, InvalidRequest, NotFound
from fyke.model.account import ApiKey, Scope

AREA = "/settings/keys"
MAX_INACTIVE = 50
_FIELDS = {
    "name": "name",
    "expires_at": "expires",
    "rate_limit": "rate_limit",
    "scopes": "scopes",
}


@dataclass(frozen=True, slots=True)
class KeyPages:
    accounts: Accounts
    users: Users

    def pages(self) -> list[ConsolePage]:
        return [
            ConsolePage("GET", AREA, self.list, area=AREA),
            ConsolePage("GET", f"{AREA}/new", self.new, area=AREA),
            ConsolePage("POST", f"{AREA}/new", self.create, area=AREA, form_bytes=2**16),
            ConsolePage("POST", f"{AREA}/{{id}}/revoke", self.revoke, area=AREA, form_bytes=2**16),
        ]

    async def list(self, view: View) -> Response:
        keys = await self.accounts.list_keys(view.caller)
        users = await self.users.list(view.caller)
        now = view.context.clock.now_ms()
        active = [key for key in keys if _is_active(key, now)]
        return view.page(
            "settings/keys.html",
            area=AREA,
            active=active,
            inactive=[key for key in reversed(keys) if key not in active][:MAX_INACTIVE],
            names={item.user.id: item.user.name for item in users},
            may_revoke=lambda key: _may_revoke(view, key),
        )

    async def new(self, view: View) -> Response:
        return self._form(view, {"scopes": [Scope.READ.value, Scope.RUN.value]}, {})

    async def create(self, view: View) -> Response:
        typed = {**view.form.values(), "scopes": view.form.all("scopes")}
        faults: dict[str, str] = {}
        expires_at = _end_of(view, view.form.get("expires").strip(), faults)
        rate = view.form.number("rate_limit")
        if rate is None:
            faults["rate_limit"] = _("Enter a whole number, or leave the field empty.")
        if not typed["scopes"]:
            faults["scopes"] = _("Choose at least one scope.")
        if faults:
            return self._form(view, typed, faults)
        try:
            key = await self.accounts.create_key(
                view.caller,
                view.form.get("name"),
                expires_at=expires_at,
                rate_limit=rate or 0,
                scopes=read_scopes(view.form.all("scopes")),
            )
        except ConfirmationNeeded:
            raise
        except (InvalidRequest, Conflict, Forbidden) as error:
            return self._form(view, typed, faults_of(error, _FIELDS))
        return view.page(
            "settings/secret.html", area=AREA, secret=key.key, name=key.name, kind="key"
        )

    async def revoke(self, view: View) -> Response:
        try:
            await self.accounts.revoke_key(view.caller, view.param("id"))
        except NotFound:
            return view.go(AREA, _("The key was already revoked."), "warn")
        return view.go(AREA, _("The key was revoked."))

    def _form(self, view: View, typed: Mapping[str, object], faults: dict[str, str]) -> Response:
        tomorrow = datetime.now(view.zone).date() + timedelta(days=1)
        return view.page(
            "settings/key_new.html",
            status=422 if faults else 200,
            area=AREA,
            typed=typed,
            faults=faults,
            earliest=tomorrow.isoformat(),
        )


def _is_active(key: ApiKey, now: int) -> bool:
    return not key.revoked_at and (not key.expires_at or key.expires_at > now)


def _may_revoke(view: View, key: ApiKey) -> bool:
    is_own = key.user_id == view.caller.user_id
    return view.may_edit and (is_own or view.caller.role.value == "owner")


def _end_of(view: View, text: str, faults: dict[str, str]) -> int:
    """The end of the typed day in the visitor's time zone; 0 for never."""
    if not text:
        return 0
    try:
        next_day = date.fromisoformat(text) + timedelta(days=1)
        return int(datetime.combine(next_day, time(), view.zone).timestamp() * 1000)
    except (ValueError, OverflowError):
        faults["expires"] = _("Enter a date such as 2027-12-31, or leave the field empty.")
        return 0
