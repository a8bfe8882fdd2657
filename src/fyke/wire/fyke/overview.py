"""The account at a glance, the runners and the health of the installation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from msgspec import Meta

from fyke.model.browser import BrowserProgram
from fyke.model.health import Level
from fyke.reasons import detail_sentence, machine_name
from fyke.wire.common import Count, Items, UnixSeconds, known_values
from fyke.wire.fields import Answer
from fyke.wire.units import seconds

if TYPE_CHECKING:
    from fyke.domain.overview import UpcomingRun
    from fyke.model.health import HealthCheck
    from fyke.model.runner import RunnerInfo
    from fyke.model.worker import Worker


class NextRun(Answer):
    task_slug: str
    task: str
    worker: str
    next_at: UnixSeconds

    @classmethod
    def of(cls, run: UpcomingRun) -> NextRun:
        return cls(
            task_slug=run.task.id,
            task=run.task.title,
            worker=run.worker.path if run.worker else "",
            next_at=seconds(run.schedule.next_at),
        )


class RecentWorker(Answer):
    slug: str
    path: str
    title: str

    @classmethod
    def of(cls, worker: Worker) -> RecentWorker:
        return cls(worker.id, worker.path, worker.title)


class OverviewReport(Answer):
    busy: Annotated[Count, Meta(description="active runs")]
    most: Annotated[Count, Meta(description="active runs that the plan allows; 0 = no limit")]
    waiting: Annotated[Count, Meta(description="runs that wait for resources")]
    held: Annotated[Count, Meta(description="starts that wait in the run queue")]
    runs: Annotated[Count, Meta(description="of all time")]
    day_succeeded: Annotated[
        Count, Meta(description="runs started in the last 24 hours that succeeded")
    ]
    day_failed: Count
    day_aborted: Count
    day_open: Annotated[Count, Meta(description="runs that have not ended yet")]
    next_runs: Annotated[list[NextRun], Meta(description="the next runs by schedules, at most 5")]
    recent_workers: Annotated[
        list[RecentWorker], Meta(description="the last used first, at most 6")
    ]


class HealthCheckItem(Answer):
    name: str
    level: Level
    detail: str
    remedy: Annotated[str, Meta(description="what to do, or empty")]

    @classmethod
    def of(cls, check: HealthCheck) -> HealthCheckItem:
        return cls(str(check.name), check.level, str(check.detail), str(check.remedy))


class HealthReport(Items[HealthCheckItem]):
    pass


class IsolationCheck(Answer):
    name: str
    holds: Annotated[bool, Meta(description="whether it passed")]
    seen: str


class RunnerItem(Answer):
    id: str
    node: str
    isolation: Annotated[str, known_values(["full", "no-limits", "none"])]
    reason: str
    cpus: float
    memory: Annotated[Count, Meta(description="MB")]
    heartbeat_at: UnixSeconds
    checks: Annotated[list[IsolationCheck], Meta(description="of its sandbox")]
    unsafe: Annotated[bool, Meta(description="whether it runs Workers nevertheless (FYKE_UNSAFE)")]
    trouble: Annotated[str, Meta(description="why it cannot start Workers, else empty")]
    idle_sandboxes: Annotated[
        Count,
        Meta(description="started before a run needs them (`warm_sandboxes`, `warm_browsers`)"),
    ]
    idle_memory: Annotated[Count, Meta(description="bytes that they use")]
    browsers: Annotated[
        Count, Meta(description="how many attempts may have a browser at once; 0 = it has none")
    ]
    browser_problem: Annotated[str, Meta(description="why none can be used, else empty")]
    browser_programs: Annotated[
        list[BrowserProgram], Meta(description="those that were found; runs can ask for one")
    ]
    browser_display: Annotated[
        bool, Meta(description="whether there is a virtual display, for browsers with windows")
    ]

    @classmethod
    def of(cls, runner: RunnerInfo) -> RunnerItem:
        return cls(
            id=runner.id,
            node=machine_name(runner.node),
            isolation=runner.isolation,
            reason=runner.reason,
            cpus=runner.cpus,
            memory=runner.memory_mb,
            heartbeat_at=seconds(runner.heartbeat_at),
            checks=[IsolationCheck(*check) for check in runner.checks],
            unsafe=runner.unsafe,
            trouble=detail_sentence(runner.trouble) if runner.trouble else "",
            idle_sandboxes=runner.idle_sandboxes,
            idle_memory=runner.idle_memory,
            browsers=runner.browsers,
            browser_problem=runner.browser_problem,
            browser_programs=list(runner.browser_programs),
            browser_display=runner.browser_display,
        )


class RunnerList(Items[RunnerItem]):
    pass
