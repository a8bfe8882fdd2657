"""A picture of a running run's browser by the API and the client."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from fyke.model.attempt import AttemptReport
from fyke.model.browser import BrowserReport
from fyke.model.runner import AttemptUsage
from fyke_client import FykeAdmin
from fyke_client.errors import ApiError
from support.api import Api, fails
from support.app import App
from support.browser_views import viewed_place
from support.jpegs import jpeg
from support.served import serving

pytestmark = pytest.mark.anyio


async def test_the_picture_of_an_open_browser_is_a_file(
    api: Api, app: App, run_slug: str, tmp_path: Path
) -> None:
    path = f"/api/fyke/runs/{run_slug}/browser/picture"
    await app.register_runner()
    first, second = await app.begin()
    fails(await api.get(path), 400, 4000, "No browser of this run is open")
    usage = AttemptUsage(browser_ms=1, browser_version="headless-shell 156.0.1.2")
    report = AttemptReport(second.attempt.key, usage, browser=BrowserReport(is_open=True))
    await app.attempts.report([report], 60_000)
    fails(await api.get(path), 503, 5000, "does not answer")
    async with viewed_place(tmp_path, second.attempt.id) as place:
        await place.open_browser()
        for query in ("", "?subtask=0", f"?subtask={second.attempt.ordinal + 1}"):
            answer = await api.get(path + query)
            assert (answer.status_code, answer.content) == (200, jpeg("first"))
            assert answer.headers["content-type"] == "image/jpeg"
            assert answer.headers["cache-control"] == "no-store"
            assert "sandbox" in answer.headers["content-security-policy"]
        fails(await api.get(f"{path}?subtask={first.attempt.ordinal + 1}"), 400, 4000)
        fails(await api.get(f"{path}?subtask=x"), 400, 4000, "subtask")
        fails(await Api(api.http, app.other_key).get(path), 404, 70001)
        async with serving(app) as url:
            with FykeAdmin(url, app.owner_key) as fyke:
                got = await asyncio.to_thread(fyke.browser_picture, run_slug)
                assert got == jpeg("first")
                with pytest.raises(ApiError, match="No browser"):
                    await asyncio.to_thread(fyke.browser_picture, run_slug, 7)
