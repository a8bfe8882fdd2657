"""Tools on a server of an older release, whose answers lack newer members."""

from __future__ import annotations

import msgspec
import pytest

from fyke.mcp import run_tools
from unit.mcp.test_secrets_in_answers import SITES, SUMMARY, session_of


@pytest.mark.parametrize(
    "progress", [{}, {"progress": {"done": 3, "total": 9}}, {"progress": None}], ids=str
)
async def test_the_progress_of_a_run_may_be_missing(progress: dict[str, object]) -> None:
    session = session_of(r=SUMMARY | progress, waiting={"reason": ""})
    answer = await run_tools.wait_for_run(session, {"run": "r", "seconds": 0})
    said = msgspec.json.decode(answer.parts[0])
    assert said["ended"] is False and said["progress"] == progress.get("progress")


async def test_the_statuses_of_a_site_may_be_missing() -> None:
    old = [{name: site[name] for name in site if name != "statuses"} for site in SITES]
    session = session_of(
        r=SUMMARY,
        waiting={"reason": ""},
        subtasks={"count": 0, "list": []},
        sites={"list": old},
        page={"list": []},
    )
    answer = await run_tools.diagnose_run(session, {"run": "r", "max_tokens": 1000})
    [site] = msgspec.json.decode(answer.parts[0])["sites_with_trouble"]
    assert (site["site"], site["error_answers"]) == ("*hop.example", {})
