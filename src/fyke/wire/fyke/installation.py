"""The installation, for its operator. Sizes are bytes."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

from msgspec import Meta, field

from fyke.domain.installation.service import MAX_DAYS
from fyke.model.account import Plan
from fyke.model.installation import MAX_COUNTED
from fyke.wire.common import Count, Items, TimeOrNever
from fyke.wire.fields import Answer, Boolean, Integer, Name, Request
from fyke.wire.units import seconds

if TYPE_CHECKING:
    from fyke.model.installation import (
        AllowedReceivers,
        EgressReport,
        PlanLine,
        ReceiverPreview,
        Retention,
        StorageReport,
        Tariff,
    )


# --- requests ------------------------------------------------------------------------------


class StorageQuery(Request):
    fresh: Annotated[
        Boolean, Meta(description="measure now instead of using the latest figures")
    ] = False


class RetentionQuery(Request):
    days: (
        Annotated[Integer, Meta(ge=0, le=MAX_DAYS, description="instead of the setting")] | None
    ) = None


class AllowedEntry(Request):
    entry: Annotated[Name, Meta(description="host:port or network:port, such as 10.0.0.5:5678")]


# --- answers -------------------------------------------------------------------------------


class PlanItem(Answer):
    plan: Plan
    most: Annotated[Count, Meta(description="active runs, 0 = no limit")]
    accounts: Annotated[Count, Meta(description="accounts with this plan")]

    @classmethod
    def of(cls, line: PlanLine) -> PlanItem:
        return cls(line.plan, line.max_runs or 0, line.accounts)


class PlanList(Items[PlanItem]):
    pass


class PriceList(Answer):
    cpu_hour: Annotated[str, Meta(description="US dollars per core and hour")]
    memory_gb_hour: Annotated[str, Meta(description="US dollars per GB of memory and hour")]
    traffic_gb: Annotated[str, Meta(description="US dollars per GB of traffic")]
    traffic_quota: Annotated[bool, Meta(description="whether accounts have a traffic quota")]
    default_plan: Plan
    rate_limit: Annotated[int, Meta(description="requests per second of a key, 0 = no limit")]
    max_subtasks: int

    @classmethod
    def of(cls, tariff: Tariff) -> PriceList:
        prices = tariff.prices
        return cls(
            cpu_hour=str(prices.cpu_hour),
            memory_gb_hour=str(prices.memory_gb_hour),
            traffic_gb=str(prices.traffic_gb),
            traffic_quota=prices.traffic_quota,
            default_plan=tariff.default_plan,
            rate_limit=tariff.rate_limit,
            max_subtasks=tariff.max_subtasks,
        )


class ProxyItem(Answer):
    code: Annotated[str, Meta(description="two letters, or * for all other regions")]
    address: Annotated[str, Meta(description="without user and password")]
    error: Annotated[str, Meta(description="why it cannot be used, else empty")]


class ProxyReportList(Answer):
    items: list[ProxyItem] = field(name="list")
    default_region: str
    allowed: Annotated[list[str], Meta(description="private targets that Workers may reach")]
    callbacks_allowed: Annotated[list[str], Meta(description="private targets of callbacks")]

    @classmethod
    def of(cls, report: EgressReport) -> ProxyReportList:
        return cls(
            items=[ProxyItem(**asdict(region)) for region in report.regions],
            default_region=report.default_region,
            allowed=list(report.allowed),
            callbacks_allowed=list(report.callbacks_allowed),
        )


class AllowedReceiverItem(Answer):
    entry: str
    origin: Annotated[
        str, Meta(description="setting: in callback_allow; operator: added while servers ran")
    ]


class AllowedReceiverList(Answer):
    version: Annotated[Count, Meta(description="of the settings of the installation")]
    items: list[AllowedReceiverItem] = field(name="list")

    @classmethod
    def of(cls, allowed: AllowedReceivers) -> AllowedReceiverList:
        by_setting = [AllowedReceiverItem(entry, "setting") for entry in allowed.by_setting]
        added = [AllowedReceiverItem(entry, "operator") for entry in allowed.entries]
        return cls(version=allowed.version, items=[*by_setting, *added])


class AllowedReceiverPreview(Answer):
    entry: Annotated[str, Meta(description="as it would be listed")]
    target: Annotated[str, Meta(description="name, address or network")]
    port: int
    addresses: Annotated[Count, Meta(description="how many, at most 2^53 - 1; 0 for a name")]
    left_out: Annotated[list[str], Meta(description="addresses of the installation among them")]
    is_allowed: Annotated[bool, Meta(description="whether it is allowed already")]

    @classmethod
    def of(cls, preview: ReceiverPreview) -> AllowedReceiverPreview:
        return cls(
            entry=preview.entry,
            target=preview.target,
            port=preview.port,
            addresses=min(preview.addresses, 2**53 - 1),  # more are not exact in JSON
            left_out=list(preview.left_out),
            is_allowed=preview.is_allowed,
        )


class StoredItem(Answer):
    name: str
    description: str
    bytes: Count
    files: Count
    complete: Annotated[bool, Meta(description="false: not everything was counted")]


class StorageSizes(Answer):
    measured_at: TimeOrNever
    used: Count
    free: Count
    total: Count
    floor: Annotated[Count, Meta(description="no run is started with less free space")]
    runs: Count
    items: list[StoredItem] = field(name="list")

    @classmethod
    def of(cls, report: StorageReport) -> StorageSizes:
        return cls(
            measured_at=seconds(report.measured_at),
            used=report.used,
            free=report.free,
            total=report.total,
            floor=report.floor,
            runs=report.runs,
            items=[
                StoredItem(**asdict(part) | {"description": str(part.description)})
                for part in report.parts
            ],
        )


class RetentionPreview(Answer):
    keep_days: Annotated[Count, Meta(description="the setting, 0 = everything is kept")]
    days: Annotated[Count, Meta(description="the requested number of days")]
    runs: Annotated[
        int, Meta(ge=0, le=MAX_COUNTED, description="runs to remove, counted up to the maximum")
    ]
    oldest_at: TimeOrNever
    newest_at: TimeOrNever

    @classmethod
    def of(cls, retention: Retention) -> RetentionPreview:
        return cls(
            keep_days=retention.setting,
            days=retention.days,
            runs=retention.runs,
            oldest_at=seconds(retention.oldest_at),
            newest_at=seconds(retention.newest_at),
        )


class ComponentItem(Answer):
    name: str
    version: Annotated[str, Meta(description="empty if not installed")]
    note: str


class ComponentList(Items[ComponentItem]):
    pass


class SettingItem(Answer):
    name: str
    value: Annotated[str, Meta(description="secrets masked")]
    origin: Annotated[str, Meta(description="environment, file or default")]


class SettingList(Items[SettingItem]):
    pass
