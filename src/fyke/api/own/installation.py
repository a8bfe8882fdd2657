"""The installation as its operator sees it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pydantic import BaseModel, Field

from fyke.api.call import Call
from fyke.api.decode import Wire, WireBool, WireInt, WireName
from fyke.api.envelope import encode
from fyke.api.operations import Handler, Nothing, Operation
from fyke.api.own import installation_answers as answers
from fyke.api.v1.errors import TABLE, UNKNOWN_PATH
from fyke.api.v1.vocabulary import seconds
from fyke.domain.installation.service import Installation
from fyke.errors import Forbidden
from fyke.model.installation import SettingGroup

PATH = "/api/fyke/installation"


class StorageFields(Wire):
    fresh: WireBool = Field(False, description="measure now, whatever is known")


class RetentionFields(Wire):
    days: WireInt | None = Field(None, description="instead of the setting")


class CardRef(Wire):
    card: WireName = Field(description=f"one of {', '.join(SettingGroup)}")


@dataclass(frozen=True, slots=True)
class InstallationOperations:
    installation: Installation

    def operations(self) -> list[Operation[Any]]:
        return [
            _get(
                "plans", "listPlans", "The plans, and who is on them", answers.PlanList,
                self.plans,
            ),
            _get(
                "prices", "getPrices", "Prices and limits of runs", answers.PriceList,
                self.prices,
            ),
            _get(
                "proxies", "getProxies", "Where runs of each region go out", answers.WayOutItem,
                self.proxies,
            ),
            _get(
                "storage", "getStorage", "What is stored, and what is free", answers.StorageItem,
                self.storage, StorageFields,
            ),
            _get(
                "retention", "previewRetention", "Which runs retention removes, or would",
                answers.RetentionItem, self.retention, RetentionFields,
            ),
            _get(
                "versions", "listComponents", "The product and what it stands on",
                answers.PieceList, self.versions,
            ),
            _get(
                "settings", "listSettings", "Every setting as this server has read it",
                answers.SettingList, self.settings,
            ),
            Operation(
                "GET",
                f"{PATH}/health/{{card}}",
                id="getHealthCard",
                tag="Operator",
                summary="How one part is doing",
                fields=CardRef,
                handler=self.card,
                answer=answers.CardItem,
                errors=(TABLE[Forbidden], UNKNOWN_PATH),
                path_fields=("card",),
            ),
        ]  # fmt: skip

    async def plans(self, call: Call, _wanted: Nothing) -> bytes:
        found = await self.installation.plans(call.caller)
        return encode(
            {
                "list": [
                    {"plan": line.plan.value, "most": line.most or 0, "accounts": line.accounts}
                    for line in found
                ]
            }
        )

    async def prices(self, call: Call, _wanted: Nothing) -> bytes:
        tariff = self.installation.tariff(call.caller)
        prices = tariff.prices
        return encode(
            {
                "cpu_hour": str(prices.cpu_hour),
                "memory_gb_hour": str(prices.memory_gb_hour),
                "traffic_gb": str(prices.traffic_gb),
                "traffic_quota": prices.traffic_quota,
                "default_plan": tariff.default_plan.value,
                "rate_limit": tariff.rate_limit,
                "max_subtasks": tariff.max_subtasks,
            }
        )

    async def proxies(self, call: Call, _wanted: Nothing) -> bytes:
        out = self.installation.egress_report(call.caller)
        return encode(
            {
                "list": _dicts(out.regions),
                "default_region": out.default_region,
                "allowed": list(out.allowed),
                "callbacks_allowed": list(out.callbacks_allowed),
            }
        )

    async def storage(self, call: Call, wanted: StorageFields) -> bytes:
        report = await self.installation.storage(call.caller, fresh=wanted.fresh)
        return encode(
            {
                "measured_at": seconds(report.measured_at),
                "used": report.used,
                "free": report.free,
                "total": report.total,
                "floor": report.floor,
                "runs": report.runs,
                "list": _dicts(report.parts),
            }
        )

    async def retention(self, call: Call, wanted: RetentionFields) -> bytes:
        found = await self.installation.retention(call.caller, wanted.days)
        return encode(
            {
                "keep_days": found.setting,
                "days": found.days,
                "runs": found.runs,
                "oldest_at": seconds(found.oldest_at),
                "newest_at": seconds(found.newest_at),
            }
        )

    async def versions(self, call: Call, _wanted: Nothing) -> bytes:
        return encode({"list": _dicts(await self.installation.versions(call.caller))})

    async def settings(self, call: Call, _wanted: Nothing) -> bytes:
        return encode({"list": _dicts(self.installation.settings(call.caller))})

    async def card(self, call: Call, wanted: CardRef) -> bytes:
        checks = await self.installation.card(call.caller, wanted.card)
        return encode({"list": [asdict(one) | {"level": one.level.value} for one in checks]})


def _get(
    name: str,
    id: str,
    summary: str,
    answer: type[BaseModel],
    handler: Handler[Any],
    fields: type[Wire] = Nothing,
) -> Operation[Any]:
    return Operation(
        "GET",
        f"{PATH}/{name}",
        id=id,
        tag="Operator",
        summary=summary,
        fields=fields,
        handler=handler,
        answer=answer,
        errors=(TABLE[Forbidden],),
    )


def _dicts(records: Sequence[Any]) -> list[dict[str, Any]]:
    return [asdict(record) for record in records]
