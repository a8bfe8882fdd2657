"""The answers about alerts and their rules, as the served description tells them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from fyke.api.documents import Answer
from fyke.api.own.callback_answers import Moment

Names = list[str]


class AlertItem(Answer):
    id: str
    rule_id: str
    rule: Annotated[str, Field(description="name of the rule when it told of this")]
    kind: Annotated[str, Field(description="what the rule looks for")]
    run_slug: str
    worker_slug: str
    task_slug: Annotated[str, Field(description="empty when the run was of no task")]
    sentence: str
    raised_at: Moment
    read_at: Annotated[int, Field(description="0 = unread")]


AlertItems = list[AlertItem]


class AlertPage(Answer):
    count: int
    unread: Annotated[int, Field(description="of all alerts; 100 stands for that many or more")]
    list: AlertItems
    page_index: int
    page_size: int


class Marked(Answer):
    marked: Annotated[int, Field(description="how many were unread before")]


class RuleItem(Answer):
    id: str
    name: str
    kind: str
    worker: Annotated[str, Field(description="id of the worker, empty = every one")]
    worker_path: Annotated[str, Field(description="its owner/name, empty when it is gone")]
    task: Annotated[str, Field(description="id of the task, empty = every run")]
    task_title: str
    factor: float
    field: str
    percent: float
    budget_usd: str
    budget_traffic_mb: str
    endpoints: Annotated[Names, Field(description="ids of webhooks")]
    emails: Names
    enabled: bool
    created_at: Moment
    updated_at: Moment


RuleItems = list[RuleItem]


class RuleExample(Answer):
    name: str
    kind: str


class RuleList(Answer):
    list: RuleItems
    mails: Annotated[bool, Field(description="whether a rule may name mail addresses")]
    example: Annotated[RuleExample, Field(description="a rule that most accounts want")]


class FiredItem(Answer):
    run_slug: str
    sentence: str
    finished_at: Moment


FiredItems = list[FiredItem]


class PreviewItem(Answer):
    runs: Annotated[int, Field(description="last runs that were looked at, at most 20")]
    count: Annotated[int, Field(description="of how many of them it would have told")]
    list: FiredItems
    month: Annotated[str, Field(description="YYYY-MM, for a budget")]
    used_usd: Annotated[str, Field(description="in that month so far")]
    used_traffic_mb: str
    now: Annotated[str, Field(description="what a budget would say now, else empty")]
