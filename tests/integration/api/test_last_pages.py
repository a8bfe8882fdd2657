"""The last pages of a run over the API: listed, downloaded safely, and deleted with the run."""

from __future__ import annotations

from fyke.domain.runs.last_pages import page_blob
from fyke.domain.runs.outcome import end_of
from fyke.model.attempt import AttemptEnd
from fyke.model.last_page import LastPage, PageContent, PageFile, PageFileKind, PageGap
from fyke.model.runner import AttemptUsage, Lease
from fyke.reasons import Reason, ReasonCode
from fyke.wire.fyke.run_browser import RunBrowserReport
from support.answers import data_as
from support.api import Api, fails, start_body
from support.app import App

FAILED = end_of(Reason.of(ReasonCode.EXIT_CODE, exit_code=1))
FILES = {
    PageFileKind.SCREENSHOT: b"\xff\xd8\xff",
    PageFileKind.HTML: b"<script>alert(1)</script>",
    PageFileKind.HAR: b'{"log":{}}',
    PageFileKind.CONSOLE: b"2026 error x\n",
}
PAGE = LastPage(
    1_700_000_000_123,
    "https://a.example/",
    "Shop",
    tuple(PageFile(kind, len(data), kind is PageFileKind.HAR) for kind, data in FILES.items()),
)


async def ended(app: App, api: Api, page: LastPage = PAGE) -> tuple[str, Lease]:
    """A run whose attempts have failed, and the first one, which has this last page."""
    worker = await app.publish()
    run = (await api.ok("/api/v1/scraper/run", start_body(worker.id)))["run_slug"]
    lease, *others = await app.begin()
    for other in others:
        await app.attempts.ended(
            other.attempt.key, AttemptEnd(FAILED, AttemptUsage()), actor="test"
        )
    await app.services.last_pages.put(lease.attempt.id, PageContent(page, FILES))
    await app.attempts.ended(
        lease.attempt.key, AttemptEnd(FAILED, AttemptUsage(), page=page), actor="test"
    )
    return run, lease


async def test_last_pages_are_listed(app: App, api: Api) -> None:
    gaps = {PageFileKind.SCREENSHOT: PageGap.NO_ANSWER}
    run, lease = await ended(app, api, LastPage(7, "", "", PAGE.files[2:3], gaps))
    found = data_as(RunBrowserReport, await api.get(f"/api/fyke/runs/{run}/browser"))
    attempts = await app.storage.read(lambda tx: tx.runs.attempts(run))
    ended_at = next(one.finished_at for one in attempts if one.id == lease.attempt.id)
    kept = ended_at + 7 * 24 * 3_600_000
    assert found["last_pages"] == [
        {
            "attempt": lease.attempt.id,
            "subtask": lease.attempt.number,
            "timestamp": 7,
            "url": "",
            "title": "",
            "files": [{"kind": "har", "size": 10, "truncated": True}],
            "missing": [{"kind": "screenshot", "reason": "no_answer"}],
            "kept_until": kept,
        }
    ]


async def test_files_are_sent_so_that_nothing_in_them_runs(app: App, api: Api) -> None:
    run, lease = await ended(app, api)
    at = f"/api/fyke/runs/{run}/browser/files/{lease.attempt.id}"
    types = {}
    for kind, data in FILES.items():
        answer = await api.get(f"{at}/{kind.value}")
        assert (answer.status_code, answer.content) == (200, data)
        headers = answer.headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["content-security-policy"] == "default-src 'none'; sandbox"
        assert headers["content-disposition"].startswith('attachment; filename="')
        types[kind.value] = headers["content-type"]
    assert types == {
        "screenshot": "image/jpeg",
        "html": "text/plain; charset=utf-8",
        "har": "application/json",
        "console": "text/plain; charset=utf-8",
    }
    fails(await api.get(f"{at}/video"), 404, 4040, "not found")
    fails(await api.get(f"{at}/html", key=app.other_key), 404, 70001, "does not exist")


async def test_they_are_deleted_with_the_run(app: App, api: Api) -> None:
    run, lease = await ended(app, api)
    blobs = app.services.last_pages._blobs
    names = [page_blob(lease.attempt.id, kind) for kind in FILES]
    assert all([await blobs.exists(name) for name in names])
    answer = await api.send("DELETE", f"/api/fyke/runs/{run}")
    assert answer.status_code == 200
    assert not any([await blobs.exists(name) for name in names])
