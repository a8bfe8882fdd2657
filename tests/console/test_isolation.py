"""The level of isolation, with its checks, and its effect on the run form."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from fyke.domain.runs.service import StartRequest
from fyke.errors import RunRefused
from fyke.model.browser import BrowserProgram
from fyke.model.run import Origin
from fyke.model.runner import RunnerInfo
from support.app import SCHEMA, App
from support.pages import Visitor, visitor
from support.projects import python_project

CHECKS = (
    ("user namespaces", True, "uid 0 inside is 65534 outside"),
    ("memory limit", False, "no memory controller <here>"),
)


async def register_runner(app: App, level: str, *, unsafe: bool = False, idle: int = 0) -> None:
    """Register a runner at this level of isolation in place of all others."""
    reason = "" if level == "full" else "memory limit: no memory controller"

    def work(tx: Any) -> None:
        for known in tx.runs.runners(0):
            tx.runs.drop_runner(known.id)
        runner = RunnerInfo("r", "node-7", level, reason, 4, 8192, tx.now, CHECKS, unsafe=unsafe)
        idle_memory = idle * 7_000_000
        tx.runs.put_runner(replace(runner, idle_sandboxes=idle, idle_memory=idle_memory))

    await app.storage.write(work)


@pytest.mark.parametrize(
    ("level", "unsafe", "words"),
    [
        ("full", False, "this machine runs all Workers"),
        ("no-limits", False, "refuses those of other accounts"),
        ("none", False, "this machine runs no Workers"),
        ("none", True, "FYKE_UNSAFE is set"),
    ],
)
async def test_each_level_is_shown_with_its_checks(
    app: App, owner: Visitor, level: str, unsafe: bool, words: str
) -> None:
    await register_runner(app, level, unsafe=unsafe)
    page = await owner.get("/admin/isolation")
    assert words in page.text and "node-7" in page.text
    rows = [" ".join(row.text_content().split()) for row in page.all("//table//tbody/tr")]
    assert rows == [
        "memory limit failed no memory controller <here>",
        "user namespaces passed uid 0 inside is 65534 outside",
    ]


@pytest.mark.parametrize(
    ("idle", "words"),
    [
        (0, "No sandbox waits for the next start."),
        (1, "One sandbox waits for the next start and uses 7 MB:"),
        (3, "3 sandboxes wait for the next start and use 21 MB:"),
    ],
)
async def test_the_waiting_sandboxes_are_shown_with_their_memory(
    app: App, owner: Visitor, idle: int, words: str
) -> None:
    await register_runner(app, "full", idle=idle)
    text = " ".join((await owner.get("/admin/isolation")).text.split())
    assert words in text and "warm_sandboxes" in text


@pytest.mark.parametrize(
    ("display", "words"),
    [
        (True, "Runs can have a browser with windows, on a virtual display."),
        (
            False,
            "Runs cannot have a browser with windows: no virtual display was found "
            "(apt install xvfb).",
        ),
    ],
)
async def test_the_browsers_are_shown_with_what_windows_need(
    app: App, owner: Visitor, display: bool, words: str
) -> None:
    programs = (BrowserProgram.HEADLESS_SHELL, BrowserProgram.CHROMIUM)
    await app.register_runner(browsers=1, browser_programs=programs, browser_display=display)
    text = " ".join((await owner.get("/admin/isolation")).text.split())
    assert f"Browsers: headless-shell, chromium. {words}" in text


async def test_the_page_reports_that_no_runner_is_connected_and_is_only_for_the_operator(
    app: App, owner: Visitor
) -> None:
    assert "No runner is connected" in (await owner.get("/admin/isolation")).text
    async with visitor(app, app.other.user_id) as other:
        await other.get("/admin/isolation", status=403)


@pytest.mark.parametrize(
    ("level", "unsafe", "refused"),
    [
        ("full", False, ""),
        ("no-limits", False, "other"),
        ("none", False, "both"),
        ("none", True, ""),
    ],
)
async def test_the_form_and_the_start_give_the_same_refusal(
    app: App, owner: Visitor, level: str, unsafe: bool, refused: str
) -> None:
    await app.publish("mine")
    await app.publish("theirs", caller=app.other)
    await register_runner(app, level, unsafe=unsafe)
    for path, bad in (
        ("owner/mine", refused == "both"),
        ("other/theirs", refused in ("other", "both")),
    ):
        page = await owner.get(f"/w/{path}")
        assert ("the sandbox on this machine is at level" in page.text) is bad, path
        body = {"parameters": {"custom": {"urls": [{"url": "https://a.example/"}]}}}
        request = StartRequest(path, None, body, "", Origin.WEB)
        if bad:
            with pytest.raises(RunRefused, match="the sandbox on this machine is at level"):
                await app.services.runs.start(app.owner, request)
        else:
            await app.services.runs.start(app.owner, request)


async def test_a_version_that_may_not_be_built_is_reported_before_its_start(
    app: App, owner: Visitor
) -> None:
    declared = json.dumps({"install": "build"})
    data = python_project("print(1)\n", schema=SCHEMA, **{"fyke.json": declared})
    await app.services.workers.publish(app.owner, data, name="built")
    page = await owner.get("/w/owner/built")
    assert "this version asks for install: build in fyke.json" in page.text
    await app.services.builds.allow(app.owner, "owner/built", allowed=True)
    assert "The run would be refused" not in (await owner.get("/w/owner/built")).text


async def test_checks_of_browsers_have_a_heading(app: App, owner: Visitor) -> None:
    checks = (*CHECKS, ("browser: user namespaces", True, "no"), ("browser: uid", False, "0"))

    def work(tx: Any) -> None:
        tx.runs.put_runner(RunnerInfo("r", "node-7", "full", "", 4, 8192, tx.now, checks))

    await app.storage.write(work)
    page = await owner.get("/admin/isolation")
    rows = [" ".join(row.text_content().split()) for row in page.all("//table//tbody/tr")]
    assert rows == [
        "Sandbox of Workers",
        "memory limit failed no memory controller <here>",
        "user namespaces passed uid 0 inside is 65534 outside",
        "Sandbox of browsers",
        "uid failed 0",
        "user namespaces passed no",
    ]
