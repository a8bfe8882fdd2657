"""Tokens with which machines join as nodes: list, creation (shown once), revocation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from starlette.responses import Response

from fyke.console.page import ConsolePage, Handler
from fyke.console.pages.admin import AREA, SMALL
from fyke.console.problems import faults_of
from fyke.console.texts import gettext as _
from fyke.console.view import View
from fyke.domain.nodes.rules import is_local_only, join_options
from fyke.domain.nodes.tokens import NodeTokens, TokenRequest, token_problems
from fyke.errors import InvalidRequest, Refused

PATH = f"{AREA}/node-tokens"
HOUR = 60
_FIELDS = {"pool": "pool", "names": "names", "labels": "labels", "uses": "uses", "minutes": "valid"}
_DEFAULTS = {"uses": "1", "valid": str(HOUR)}


@dataclass(frozen=True, slots=True)
class NodeTokenPages:
    """``gateway`` is the address at which machines join, "" where nodes cannot use the database."""

    tokens: NodeTokens
    gateway: str

    def pages(self) -> list[ConsolePage]:
        return [
            _page("GET", PATH, self.list),
            _page("GET", f"{PATH}/new", self.new),
            _page("POST", f"{PATH}/new", self.create),
            _page("POST", f"{PATH}/{{id}}/revoke", self.revoke),
        ]

    async def list(self, view: View) -> Response:
        tokens = await self.tokens.list(view.caller)
        now = view.context.clock.now_ms()
        valid = [token for token in tokens if token.is_valid(now)]
        return view.page(
            "admin/node_tokens.html",
            area=AREA,
            valid=valid,
            ended=[token for token in tokens if token not in valid],
            gateway=self.gateway,
        )

    async def new(self, view: View) -> Response:
        await self.tokens.list(view.caller)  # refuses who may not create one
        return self._form(view, _DEFAULTS, {})

    async def create(self, view: View) -> Response:
        faults: dict[str, str] = {}
        request = _read(view, faults)
        typed = view.form.values()
        if faults:
            await self.tokens.list(view.caller)  # refuses who may not create one
            broken = InvalidRequest.of(token_problems(request))
            return self._form(view, typed, faults_of(broken, _FIELDS) | faults)
        try:
            made = await self.tokens.create(view.caller, request)
        except (InvalidRequest, Refused) as error:
            return self._form(view, typed, faults_of(error, _FIELDS))
        token = made.token
        return view.page(
            "admin/node_token.html",
            area=AREA,
            text=made.text,
            token=token,
            gateway=self.gateway,
            options=join_options(token.name_pattern, token.labels),
            is_local_only=is_local_only(self.gateway),
        )

    async def revoke(self, view: View) -> Response:
        try:
            await self.tokens.revoke(view.caller, view.param("id"))
        except Refused:
            return view.go(PATH, _("The token was already revoked."), "warn")
        return view.go(PATH, _("The token was revoked."))

    def _form(self, view: View, typed: Mapping[str, object], faults: dict[str, str]) -> Response:
        return view.page(
            "admin/node_token_new.html",
            status=422 if faults else 200,
            area=AREA,
            typed=typed,
            faults=faults,
            gateway=self.gateway,
        )


def _page(method: str, path: str, handler: Handler) -> ConsolePage:
    return ConsolePage(method, path, handler, area=AREA, operator=True, form_bytes=SMALL)


def _read(view: View, faults: dict[str, str]) -> TokenRequest:
    """The form; what is wrong with its shape goes to ``faults``."""
    uses, valid = _number(view, "uses"), _number(view, "valid")
    if uses is None:
        faults["uses"] = _("Enter a whole number.")
    if valid is None:
        faults["valid"] = _("Choose a time.")
    labels: dict[str, str] = {}
    for line in view.form.get("labels").splitlines():
        name, sign, value = line.strip().partition("=")
        if not name and not sign:
            continue
        if not sign or name in labels:
            faults["labels"] = _("Enter one NAME=VALUE a line, each name once.")
            break
        labels[name] = value
    return TokenRequest(
        pool=view.form.get("pool").strip(),
        labels=labels,
        name_pattern=view.form.get("names").strip(),
        uses=1 if uses is None else uses,
        minutes=valid or 0,
    )


def _number(view: View, name: str) -> int | None:
    """The whole number; None when it is invalid or missing."""
    return view.form.number(name) if view.form.get(name).strip() else None
