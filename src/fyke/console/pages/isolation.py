"""Isolation checks of the runners' sandboxes, for the operator."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.responses import Response

from fyke.console.page import ConsolePage
from fyke.console.pages.admin import AREA
from fyke.console.view import View
from fyke.domain.overview import Overview
from fyke.model.runner import RunnerInfo
from fyke.reasons.texts import BROWSER_PREFIX

Check = tuple[str, bool, str]  # name, passed, finding


@dataclass(frozen=True, slots=True)
class IsolationPages:
    overview: Overview

    def pages(self) -> list[ConsolePage]:
        return [ConsolePage("GET", f"{AREA}/isolation", self.show, area=AREA, operator=True)]

    async def show(self, view: View) -> Response:
        runners = await self.overview.runners(view.caller)
        return view.page(
            "admin/isolation.html",
            area=AREA,
            runners=runners,
            checks={runner.id: checks_of(runner) for runner in runners},
        )


def checks_of(runner: RunnerInfo) -> tuple[list[Check], list[Check]]:
    """The checks of the sandboxes of Workers, and those of browsers by the same names; failed ones
    first.
    """
    ordered = sorted(runner.checks, key=lambda check: check[1])
    return (
        [check for check in ordered if not check[0].startswith(BROWSER_PREFIX)],
        [
            (name.removeprefix(BROWSER_PREFIX), holds, seen)
            for name, holds, seen in ordered
            if name.startswith(BROWSER_PREFIX)
        ],
    )
