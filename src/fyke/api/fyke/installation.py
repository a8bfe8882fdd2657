"""The installation as its operator sees it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Annotated, ClassVar

from fyke.api.call import Call
from fyke.api.routes import get, post
from fyke.domain.callbacks.allowed import AllowedCallbacks
from fyke.domain.installation.service import Installation
from fyke.errors import Conflict, Forbidden, InvalidRequest, NotFound
from fyke.model.account import Scope
from fyke.model.installation import HealthCard
from fyke.wire.common import known_values
from fyke.wire.fields import Name
from fyke.wire.fyke import installation as wire
from fyke.wire.fyke.overview import HealthCheckItem, HealthReport

PATH = "/api/fyke/installation"
ALLOWED = f"{PATH}/callback-allow"
Card = Annotated[Name, known_values(HealthCard)]


@dataclass(frozen=True, slots=True)
class InstallationRoutes:
    tag: ClassVar[str] = "Operator"

    installation: Installation
    allowed: AllowedCallbacks

    @get(f"{PATH}/plans", scope=Scope.ADMIN, errors=(Forbidden,))
    async def list_plans(self, call: Call) -> wire.PlanList:
        """The plans, and how many accounts have each.

        For the operator.
        """
        plans = await self.installation.plans(call.caller)
        return wire.PlanList([wire.PlanItem.of(line) for line in plans])

    @get(f"{PATH}/prices", scope=Scope.ADMIN, errors=(Forbidden,))
    async def get_prices(self, call: Call) -> wire.PriceList:
        """Prices and limits of runs.

        For the operator.
        """
        return wire.PriceList.of(self.installation.tariff(call.caller))

    @get(f"{PATH}/proxies", scope=Scope.ADMIN, errors=(Forbidden,))
    async def get_proxies(self, call: Call) -> wire.ProxyReportList:
        """The proxies that runs of each region use.

        For the operator. Addresses are without user and password.
        """
        return wire.ProxyReportList.of(self.installation.egress_report(call.caller))

    @get(ALLOWED, scope=Scope.ADMIN, errors=(Forbidden,))
    async def list_allowed_receivers(self, call: Call) -> wire.AllowedReceiverList:
        """Private addresses to which callbacks and webhooks are allowed.

        For the operator.
        """
        return wire.AllowedReceiverList.of(await self.allowed.list(call.caller))

    @get(f"{ALLOWED}/preview", scope=Scope.ADMIN, errors=(Forbidden, InvalidRequest))
    async def preview_allowed_receiver(
        self, call: Call, query: wire.AllowedEntry
    ) -> wire.AllowedReceiverPreview:
        """What allowing an entry would change.

        For the operator. Nothing is changed.
        """
        return wire.AllowedReceiverPreview.of(await self.allowed.preview(call.caller, query.entry))

    @post(ALLOWED, scope=Scope.ADMIN, errors=(Forbidden, InvalidRequest, Conflict))
    async def allow_receiver(self, call: Call, body: wire.AllowedEntry) -> wire.AllowedReceiverList:
        """Allow callbacks and webhooks of all accounts to a private address.

        For owners of the operator's account. All servers use it within five seconds, without a
        restart. The entry has one port, is in a private network or a name, and never allows an
        address of the installation itself.
        """
        return wire.AllowedReceiverList.of(await self.allowed.allow(call.caller, body.entry))

    @post(f"{ALLOWED}/remove", scope=Scope.ADMIN, errors=(Forbidden, NotFound, Conflict))
    async def remove_allowed_receiver(
        self, call: Call, body: wire.AllowedEntry
    ) -> wire.AllowedReceiverList:
        """Take back an entry that was allowed while servers ran.

        For owners of the operator's account. Callbacks that wait fail at their next attempt.
        """
        return wire.AllowedReceiverList.of(await self.allowed.forbid(call.caller, body.entry))

    @get(f"{PATH}/storage", scope=Scope.ADMIN, errors=(Forbidden,))
    async def get_storage(self, call: Call, query: wire.StorageQuery) -> wire.StorageSizes:
        """Used and free storage.

        For the operator. The figures are at most a minute old.
        """
        report = await self.installation.storage(call.caller, fresh=query.fresh)
        return wire.StorageSizes.of(report)

    @get(f"{PATH}/retention", scope=Scope.ADMIN, errors=(Forbidden,))
    async def preview_retention(
        self, call: Call, query: wire.RetentionQuery
    ) -> wire.RetentionPreview:
        """The runs that retention would remove now, with the current or other days.

        For the operator. Nothing is removed.
        """
        preview = await self.installation.retention(call.caller, query.days)
        return wire.RetentionPreview.of(preview)

    @get(f"{PATH}/versions", scope=Scope.ADMIN, errors=(Forbidden,))
    async def list_components(self, call: Call) -> wire.ComponentList:
        """The versions of Fyke and of the software that it uses.

        For the operator.
        """
        components = await self.installation.versions(call.caller)
        return wire.ComponentList(
            [wire.ComponentItem(**asdict(component)) for component in components]
        )

    @get(f"{PATH}/settings", scope=Scope.ADMIN, errors=(Forbidden,))
    async def list_settings(self, call: Call) -> wire.SettingList:
        """Every setting with its value in this server.

        For the operator. Secrets are masked.
        """
        settings = self.installation.settings(call.caller)
        return wire.SettingList([wire.SettingItem(**asdict(setting)) for setting in settings])

    @get(f"{PATH}/health/{{card}}", scope=Scope.ADMIN, errors=(Forbidden, NotFound))
    async def get_health_card(self, call: Call, card: Card) -> HealthReport:
        """The health of one part of the installation.

        For the operator. Takes at most three seconds.
        """
        checks = await self.installation.card(call.caller, card)
        return HealthReport([HealthCheckItem.of(check) for check in checks])
