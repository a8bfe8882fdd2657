"""The machines that run Workers, for the operator: a list, and a page for each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from starlette.responses import Response

from fyke import __version__
from fyke.console.audit_labels import audit_action_labels
from fyke.console.formats import machine_name
from fyke.console.page import ConsolePage, Handler
from fyke.console.pages.admin import AREA, SMALL
from fyke.console.pages.isolation import checks_of
from fyke.console.pages.run_pictures import RunPictures
from fyke.console.texts import gettext as _
from fyke.console.view import View
from fyke.domain.accounts.audit import AuditLog
from fyke.domain.nodes.control import MAX_DRAIN_SECONDS, NodeControl
from fyke.domain.nodes.machines import MachineAttempt, Machines, MachineView, NodeView
from fyke.domain.nodes.rules import is_local_only
from fyke.errors import InvalidRequest, NotFound
from fyke.model.account import Caller, Role
from fyke.model.audit import AuditAction, AuditEntry
from fyke.model.fleet import FleetEngine

PATH = f"{AREA}/nodes"
MACHINES = f"{AREA}/machines"  # those of the installation itself, by the ids of their runners
DRAIN_MINUTES = "60"
_EVENTS = (
    AuditAction.NODE_JOINED,
    AuditAction.NODE_CORDONED,
    AuditAction.NODE_UNCORDONED,
    AuditAction.NODE_DRAINED,
    AuditAction.NODE_FORGOTTEN,
)


@dataclass(frozen=True, slots=True)
class MachineSums:
    """Of the machines that are shown: how many there are and take attempts, and what they have."""

    machines: int
    available: int
    attempts: int
    cpus: float
    cpus_taken: float
    memory_mb: int
    memory_taken_mb: int


@dataclass(frozen=True, slots=True)
class NodePages:
    """``gateway`` is the address at which machines join, "" where nodes cannot use the database."""

    nodes: NodeControl
    audit: AuditLog
    gateway: str
    pictures: RunPictures

    def pages(self) -> list[ConsolePage]:
        node = f"{PATH}/{{name}}"
        return [
            _page("GET", PATH, self.list),
            _page("GET", node, self.show),
            _page("POST", f"{node}/cordon", self.cordon),
            _page("POST", f"{node}/uncordon", self.uncordon),
            _page("POST", f"{node}/drain", self.drain),
            _page("POST", f"{node}/replace", self.replace),
            _page("POST", f"{node}/forget", self.forget),
            _page("GET", f"{MACHINES}/{{id}}", self.show_own),
        ]

    async def list(self, view: View) -> Response:
        machines = await self.nodes.machines(view.caller)
        pool = view.query.get("pool", "")
        own = [item for item in machines.own if pool in ("", item.pool)]
        nodes = [item for item in machines.nodes if pool in ("", item.pool)]
        return view.page_or_part(
            "admin/nodes.html",
            "machines",
            area=AREA,
            own=own,
            nodes=nodes,
            pictures=await self.pictures.of_machines(view),
            sums=_sums([*own, *nodes]),
            pool=pool,
            pools=_pools(machines),
            here=f"{PATH}?{urlencode({'pool': pool})}" if pool else PATH,
            has_nodes=bool(machines.nodes),
            gateway=self.gateway,
            gateway_is_local=is_local_only(self.gateway),
            release=__version__,
            may_join=view.caller.role is Role.OWNER,
        )

    async def show(self, view: View) -> Response:
        return await self._show(view)

    async def cordon(self, view: View) -> Response:
        name = view.param("name")
        await self.nodes.cordon(view.caller, name)
        return view.go(_address(name), _("%(name)s takes no new attempts.") % {"name": name})

    async def uncordon(self, view: View) -> Response:
        name = view.param("name")
        await self.nodes.uncordon(view.caller, name)
        return view.go(_address(name), _("%(name)s takes attempts again.") % {"name": name})

    async def drain(self, view: View) -> Response:
        text = _("%(name)s takes no new attempts, and is being drained.")
        return await self._drain(view, self.nodes.drain, text)

    async def replace(self, view: View) -> Response:
        text = _("%(name)s takes no new attempts, and is replaced when none is left.")
        return await self._drain(view, self.nodes.replace, text)

    async def _drain(
        self, view: View, drain: Callable[[Caller, str, int], Awaitable[object]], text: str
    ) -> Response:
        name = view.param("name")
        has_time = bool(view.form.get("minutes").strip())
        minutes = view.form.number("minutes") if has_time else None
        try:
            if minutes is None:
                return await self._show(view, {"minutes": _drain_rule()})
            await drain(view.caller, name, minutes * 60)
        except InvalidRequest:
            return await self._show(view, {"minutes": _drain_rule()})
        return view.go(_address(name), text % {"name": name})

    async def forget(self, view: View) -> Response:
        name = view.param("name")
        if view.form.get("name").strip() != name:
            text = _("Enter %(name)s to confirm.") % {"name": name}
            return await self._show(view, {"name": text})
        await self.nodes.forget(view.caller, name)
        return view.go(PATH, _("%(name)s is forgotten.") % {"name": name})

    async def _show(self, view: View, faults: Mapping[str, str] | None = None) -> Response:
        name = view.param("name")
        try:
            machine, attempts = await self.nodes.get_with_attempts(view.caller, name)
        except NotFound:
            return view.page_or_part(
                "admin/node_missing.html", "missing", status=404, area=AREA, name=name
            )
        events: Sequence[AuditEntry] = ()
        if view.caller.role is Role.OWNER and not view.wants_part:
            events = await self.audit.about(view.caller, name, _EVENTS)
        return view.page_or_part(
            "admin/node.html",
            "live",
            status=422 if faults else 200,
            name=name,
            node=machine.node,
            here=_address(name),
            events=events,
            event_names=audit_action_labels(),
            faults=faults or {},
            typed=view.form.values(),
            drain_minutes=DRAIN_MINUTES,
            may_replace=self.nodes.fleet is not FleetEngine.STATIC and machine.node.ephemeral,
            may_forget=view.caller.role is Role.OWNER,
            **_values(machine, attempts),
        )

    async def show_own(self, view: View) -> Response:
        """A machine of the installation itself."""
        runner_id = view.param("id")
        machine, attempts = await self.nodes.own_with_attempts(view.caller, runner_id)
        return view.page_or_part(
            "admin/node.html",
            "live",
            name=machine_name(machine.runner.node) if machine.runner else runner_id,
            node=None,
            here=f"{MACHINES}/{quote(runner_id, safe='')}",
            events=(),
            faults={},
            **_values(machine, attempts),
        )


def _page(method: str, path: str, handler: Handler) -> ConsolePage:
    return ConsolePage(method, path, handler, area=AREA, operator=True, form_bytes=SMALL)


def _address(name: str) -> str:
    return f"{PATH}/{quote(name, safe='')}"


def _values(machine: MachineView, attempts: Sequence[MachineAttempt]) -> dict[str, Any]:
    runner = machine.runner
    return {
        "area": AREA,
        "machine": machine,
        "attempts": attempts,
        "checks": checks_of(runner) if runner else ([], []),
        "release": __version__,
    }


def _pools(machines: Machines) -> list[str]:
    return sorted({item.pool for item in (*machines.own, *machines.nodes) if item.pool})


def _sums(machines: Sequence[MachineView | NodeView]) -> MachineSums:
    """The room of silent machines is not counted."""
    counted = [machine for machine in machines if machine.connected and machine.runner]
    runners = [machine.runner for machine in counted if machine.runner]
    return MachineSums(
        machines=len(machines),
        available=sum(machine.takes_attempts for machine in machines),
        attempts=sum(machine.attempts for machine in machines),
        cpus=round(sum(runner.cpus for runner in runners), 3),
        cpus_taken=round(sum(machine.cpus_taken for machine in counted), 3),
        memory_mb=sum(runner.memory_mb for runner in runners),
        memory_taken_mb=sum(machine.memory_taken_mb for machine in counted),
    )


def _drain_rule() -> str:
    most = {"most": MAX_DRAIN_SECONDS // 60, "days": MAX_DRAIN_SECONDS // 86_400}
    return _("Enter a whole number of minutes, at most %(most)s (%(days)s days).") % most
