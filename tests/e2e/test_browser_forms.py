"""Every form in which a Worker may ask for a browser, without a library in between."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.booted import Booted
from support.projects import python_project
from zoo.bundles import DEVTOOLS

pytestmark = [pytest.mark.needs("bwrap", "chromium", "driver"), pytest.mark.timeout(300)]
FORMS = Path(__file__).parent / "browser_workers" / "forms.py"
SUCCEEDED = 3
ANSWERS = {
    "GET / with Basic": 101,
    "GET / at chrome-ws-inner.coreclaw.com": 101,
    "GET / at chrome-ws-inner.cafescraper.com": 101,
    "GET / at chrome-http-inner.coreclaw.com": 101,
    "GET / at lightpanda-inner.coreclaw.com": 101,
    "GET / without a name": 101,
    "GET / with a wrong password": 401,
    "GET /ws?apiKey=": 101,
    "GET /ws with a wrong apiKey": 401,
    "GET /?token=": 101,
    "BROWSER_WS": 101,
    "/devtools/browser/new": 101,
    "/devtools/browser/ of another one": 101,  # clients keep addresses
    "/devtools/page/ of none": 500,  # the answer of Chromium
    "another path": 404,
    "GET /json/version": [200, True, 101],
    "ChromeHttp": True,
    "two connections have one browser": True,
    "GET /json/new": 200,
    "PUT /json/new": 200,
    "GET /json": [200, True],
    "GET /json/list": [200, True],
    "/devtools/page/ of a page": 101,
    "GET /json/activate/": 200,
    "GET /json/close/": 200,
    "GET /json/protocol": [200, True],
    "Captchas.automaticSolver": [False, True],
    "GET /other": 404,
    "POST /session": [True, 200, "chrome", 200, "about:blank#here", 200],
    "POST /wd/hub/session": [True, 200, "chrome", 200, "about:blank#here", 200],
    "Camoufox": 501,
    "/camoufox": 501,
    "a session of none": 404,
}


def test_each_form_of_connecting_is_answered(platform: Booted) -> None:
    project = python_project(FORMS.read_text(), **{"devtools.py": DEVTOOLS.read_text()})
    run = platform.start_run(platform.push(project, "browser-forms"))
    detail = platform.ended(run, 250)
    log = platform.log_text(run)
    assert {row["form"]: row["answer"] for row in platform.rows(run)} == ANSWERS, log
    assert detail["status"] == SUCCEEDED, log
    for line in (
        "LightpandaDomain is served by Chromium",
        "The Worker asked for Camoufox",
        "The Worker asked for a captcha solver",
    ):
        assert line in log
