"""The answers about the installation, as the served description tells them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from fyke.api.documents import Answer
from fyke.api.own.callback_answers import Moment

Names = list[str]


class PlanItem(Answer):
    plan: str
    most: Annotated[int, Field(description="runs at once, 0 = as many as the machines carry")]
    accounts: Annotated[int, Field(description="how many are on it")]


PlanItems = list[PlanItem]


class PlanList(Answer):
    list: PlanItems


class PriceList(Answer):
    cpu_hour: Annotated[str, Field(description="US dollars per core and hour")]
    memory_gb_hour: Annotated[str, Field(description="US dollars per GB of memory and hour")]
    traffic_gb: Annotated[str, Field(description="US dollars per GB of traffic")]
    traffic_quota: bool
    default_plan: str
    rate_limit: int
    max_subtasks: int


class RegionItem(Answer):
    code: Annotated[str, Field(description="two letters, or * for those that none is named for")]
    address: Annotated[str, Field(description="without user and password")]
    error: Annotated[str, Field(description="why it cannot be used, else empty")]


RegionItems = list[RegionItem]


class WayOutItem(Answer):
    list: RegionItems
    default_region: str
    allowed: Annotated[Names, Field(description="private targets that Workers may reach")]
    callbacks_allowed: Annotated[Names, Field(description="private targets of callbacks")]


class StoredItem(Answer):
    name: str
    what: str
    bytes: int
    files: int
    complete: Annotated[bool, Field(description="false: it is at least so much")]


StoredItems = list[StoredItem]


class StorageItem(Answer):
    measured_at: Moment
    used: int
    free: int
    total: int
    floor: Annotated[int, Field(description="with less free no run is taken")]
    runs: int
    list: StoredItems


class RetentionItem(Answer):
    keep_days: Annotated[int, Field(description="the setting, 0 = everything is kept")]
    days: Annotated[int, Field(description="what was asked for")]
    runs: Annotated[int, Field(description="that would be removed, counted up to 100000")]
    oldest_at: Moment
    newest_at: Moment


class PieceItem(Answer):
    name: str
    version: Annotated[str, Field(description="empty when it is not there")]
    note: str


PieceItems = list[PieceItem]


class PieceList(Answer):
    list: PieceItems


class SettingItem(Answer):
    name: str
    value: Annotated[str, Field(description="secrets masked")]
    origin: Annotated[str, Field(description="environment, file or default")]


SettingItems = list[SettingItem]


class SettingList(Answer):
    list: SettingItems


class CardCheck(Answer):
    name: str
    level: Annotated[str, Field(description="good, warning or bad")]
    detail: str
    remedy: str


CardChecks = list[CardCheck]


class CardItem(Answer):
    list: CardChecks
