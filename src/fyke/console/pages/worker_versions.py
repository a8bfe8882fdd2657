"""The versions of a Worker: list, comparison, and the owner's actions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from typing import Any

from starlette.responses import Response

from fyke.console.page import ConsolePage
from fyke.console.pages.worker_frame import WorkerFrame, WorkerFrames
from fyke.console.problems import WHOLE, faults_of
from fyke.console.reasons import error_text
from fyke.console.texts import gettext as _
from fyke.console.view import View, own_address
from fyke.domain.workers.builds import Builds
from fyke.domain.workers.history import VersionEntry, VersionHistory
from fyke.domain.workers.promotion import MAX_TITLES, FollowingTask, Promotions, TagTaken
from fyke.domain.workers.service import Workers
from fyke.errors import Conflict, InvalidFields, InvalidRequest, Refused, VersionUnavailable
from fyke.model.worker import VersionState, Worker

AREA = "/store"
_STATES = {  # by the last part of the address
    "withdraw": VersionState.WITHDRAWN,
    "deprecate": VersionState.DEPRECATED,
    "restore": VersionState.PUBLISHED,
}


@dataclass(frozen=True, slots=True)
class RefusedTag:
    """A tag that a version did not get: what was typed, and either its faults, or ``holder``, the
    version that has it, with some of the ``total`` tasks that a move changes, by id.
    """

    number: str
    tag: str
    faults: dict[str, str]
    holder: str = ""
    total: int = 0
    tasks: dict[str, FollowingTask] = field(default_factory=dict)

    @property
    def titles(self) -> dict[str, str]:
        return {key: item.task.title for key, item in self.tasks.items()}


@dataclass(frozen=True, slots=True)
class WorkerVersionPages:
    frames: WorkerFrames
    workers: Workers
    history: VersionHistory
    builds: Builds
    promotions: Promotions

    def pages(self) -> list[ConsolePage]:
        at = "/w/{owner}/{name}"
        version_path = f"{at}/versions/{{version}}"
        return [
            ConsolePage("GET", f"{at}/versions", self.list, area=AREA),
            ConsolePage("GET", f"{at}/compare", self.compare, area=AREA),
            *self._state_pages(version_path),
            ConsolePage("GET", f"{version_path}/promote", self.preview, area=AREA),
            ConsolePage("POST", f"{version_path}/promote", self.promote, area=AREA),
            ConsolePage("POST", f"{version_path}/tag", self.tag, area=AREA),
            ConsolePage("POST", f"{version_path}/untag", self.untag, area=AREA),
            ConsolePage("POST", f"{at}/builds", self.allow_builds, area=AREA, operator=True),
        ]

    async def list(self, view: View) -> Response:
        return await self._list_page(view, await self.frames.get(view, "/versions"))

    async def _list_page(
        self, view: View, frame: WorkerFrame, refused: RefusedTag | None = None
    ) -> Response:
        _worker, entries = await self.history.list(view.caller, frame.worker.id)
        change = frame.own and view.may_edit
        ref = frame.worker.id
        return view.page(
            "workers/versions.html",
            status=422 if refused else 200,
            frame=frame,
            entries=entries,
            change=change,
            refused=refused,
            tagged=await self.promotions.tagged(view.caller, ref) if change else {},
            earlier=_earlier(entries),
            versions_with_builds=[
                entry.version.number for entry in entries if entry.version.builds
            ],
        )

    async def compare(self, view: View) -> Response:
        frame = await self.frames.get(view, "/versions")
        _worker, entries = await self.history.list(view.caller, frame.worker.id)
        numbers = [entry.version.number for entry in entries]
        after = view.query.get("after", "") or (numbers[0] if numbers else "")
        before = view.query.get("before", "") or _earlier(entries).get(after, after)
        values: dict[str, Any] = {
            "frame": frame,
            "numbers": numbers,
            "before": before,
            "after": after,
        }
        try:
            comparison = await self.history.compare(view.caller, frame.worker.id, before, after)
        except (InvalidRequest, VersionUnavailable) as error:
            return view.page(
                "workers/compare.html",
                status=422,
                comparison=None,
                fault=error_text(error),
                **values,
            )
        return view.page("workers/compare.html", comparison=comparison, fault="", **values)

    def _state_pages(self, version_path: str) -> Iterator[ConsolePage]:
        """Two pages for each change of the state of a version: what it changes, and the change."""
        for action in _STATES:
            at = f"{version_path}/{action}"
            yield ConsolePage("GET", at, partial(self.preview_state, action), area=AREA)
            yield ConsolePage("POST", at, partial(self.set_state, action), area=AREA)

    async def preview_state(self, action: str, view: View) -> Response:
        """What changes when a version is withdrawn, deprecated or restored, and the button."""
        return await self._state_page(action, view)

    async def _state_page(
        self, action: str, view: View, faults: dict[str, str] | None = None, status: int = 200
    ) -> Response:
        frame, number = await self._version(view)
        try:
            change = await self.promotions.preview_state(
                view.caller, frame.worker.id, number, _STATES[action]
            )
        except Refused as error:
            return view.go(f"{frame.base}/versions", error_text(error), "warn")
        return view.page(
            "workers/version_state.html",
            status=status,
            frame=frame,
            action=action,
            change=change,
            reason=view.form.get("reason"),
            faults=faults or {},
        )

    async def set_state(self, action: str, view: View) -> Response:
        frame, number = await self._version(view)
        state, at = _STATES[action], f"{frame.base}/versions/{number}"
        reason = view.form.get("reason")
        then = view.form.get("then"), view.form.get("then_others")
        try:
            worker, _changed = await self.workers.set_state(
                view.caller, frame.worker.id, number, state, reason, then=then
            )
        except Conflict:  # the account or others would get another version than the page has said
            check = _("Check what changes, then confirm.")
            if reason:
                return await self._state_page(action, view, {WHOLE: check}, 409)
            return view.go(f"{at}/{action}", check, "warn")
        except InvalidFields as error:
            faults = faults_of(error, {"reason": "reason"})
            return await self._state_page(action, view, faults, 422)
        done = {
            VersionState.WITHDRAWN: _("%(version)s was withdrawn."),
            VersionState.DEPRECATED: _("%(version)s was deprecated."),
            VersionState.PUBLISHED: _("%(version)s was restored."),
        }[state]
        current = _("%(version)s is the current version.")
        if not worker.latest:
            current = _("No version can be started.")
        elif worker.latest == frame.worker.latest:
            current = _("%(version)s is still the current version.")
        notice = f"{done % {'version': number}} {current % {'version': worker.latest}}"
        notice = f"{notice} {_of_others(frame.worker, worker)}".rstrip()
        if state is VersionState.PUBLISHED and worker.latest != number:
            return view.go(f"{at}/promote", notice)  # which offers to make it current
        return view.go(f"{frame.base}/versions", notice)

    async def preview(self, view: View) -> Response:
        """What changes when a version becomes the current one, and the button that does it."""
        frame, number = await self._version(view)
        try:
            promotion = await self.promotions.preview(view.caller, frame.worker.id, number)
        except Refused as error:
            return view.go(f"{frame.base}/versions", error_text(error), "warn")
        return view.page("workers/promote.html", frame=frame, promotion=promotion)

    async def promote(self, view: View) -> Response:
        frame, number = await self._version(view)
        try:
            before = view.form.get("before")
            await self.promotions.promote(view.caller, frame.worker.id, number, before)
        except Conflict as error:
            at = f"{frame.base}/versions/{number}/promote"
            return view.go(at, error_text(error), "warn")
        except Refused as error:
            return view.go(f"{frame.base}/versions", error_text(error), "warn")
        return _back(view, frame, _("%(version)s is the current version."), number)

    async def tag(self, view: View) -> Response:
        frame, number = await self._version(view)
        tag = view.form.get("tag")
        try:
            move = view.form.get("move") == tag.strip().lower()  # what was confirmed is this tag
            await self.promotions.tag(view.caller, frame.worker.id, tag, number, move=move)
        except TagTaken as taken:
            total, tasks = await self.promotions.moved(view.caller, frame.worker.id, tag, number)
            shown = {item.task.id: item for item in tasks[:MAX_TITLES]}
            refused = RefusedTag(number, tag, {}, taken.number, total, shown)
            return await self._list_page(view, frame, refused)
        except Refused as error:  # about the version, not about the text of the tag
            return view.go(f"{frame.base}/versions", error_text(error), "warn")
        except InvalidRequest as error:
            name = f"tag-{number}"
            faults = faults_of(error, {"tag": name}, name)
            return await self._list_page(view, frame, RefusedTag(number, tag, faults))
        notice = _("%(version)s has the tag %(tag)s.")
        return _back(view, frame, notice, number, tag=tag.strip().lower())

    async def untag(self, view: View) -> Response:
        frame, number = await self._version(view)
        tag = view.form.get("tag")
        await self.promotions.remove_tag(view.caller, frame.worker.id, tag)
        return _back(view, frame, _("The tag %(tag)s was removed."), number, tag=tag)

    async def allow_builds(self, view: View) -> Response:
        """Allow or forbid builds. The switch is on two pages; ``back`` is the one that was used."""
        frame = await self.frames.get(view, "/versions")
        allowed = bool(view.form.get("allowed"))
        await self.builds.allow(view.caller, frame.worker.id, allowed=allowed)
        notice = _("Dependency builds of %(worker)s are now allowed.")
        if not allowed:
            notice = _("Dependency builds of %(worker)s are no longer allowed.")
        back = own_address(view.form.get("back") or f"{frame.base}/versions")
        return view.go(back, notice % {"worker": frame.worker.path})

    async def _version(self, view: View) -> tuple[WorkerFrame, str]:
        return await self.frames.get(view, "/versions"), view.param("version")


def _back(view: View, frame: WorkerFrame, notice: str, number: str, **more: str) -> Response:
    return view.go(f"{frame.base}/versions", notice % {"version": number, **more})


def _of_others(before: Worker, after: Worker) -> str:
    """What other accounts get if it has changed, unless it is the new current version."""
    others = after.latest_approved
    if not after.public or others == before.latest_approved:
        return ""
    if others == after.latest != before.latest:
        return ""
    if not others:
        return _("Other accounts can no longer start this Worker: no approved version is left.")
    return _("Other accounts now use %(version)s.") % {"version": others}


def _earlier(entries: list[VersionEntry]) -> dict[str, str]:
    """The number of the previous version of each version."""
    numbers = [entry.version.number for entry in entries]
    return dict(pairwise(numbers))
