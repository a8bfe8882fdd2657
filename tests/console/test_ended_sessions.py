"""A live page gets no updates after its session has ended."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from fyke.domain.runs.service import StartRequest
from fyke.model.run import Origin
from fyke.model.runner import Lease
from support.pages import sign_in
from support.served import Served, served


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, templates: Path) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("ended"), templates, rate_limit=0) as server:
        yield server


def begin(server: Served) -> Lease:
    app = server.app
    worker = server.do(app.publish())
    body = {"parameters": {"custom": {"urls": [{"url": "https://a.example"}]}}}
    server.do(
        app.services.runs.start(app.owner, StartRequest(worker.id, None, body, "", Origin.WEB))
    )
    [lease] = server.do(app.begin())
    return lease


def test_a_stream_ends_with_its_session(server: Served) -> None:
    lease = begin(server)
    app = server.app
    token = server.do(sign_in(app.services.sessions, app))
    path = f"/runs/{lease.run.id}/live?tab=log&place=0"
    cookies = {"fyke_session": token}
    with (
        httpx2.Client(base_url=server.base_url, cookies=cookies, timeout=30) as http,
        http.stream("GET", path) as answer,
    ):
        pieces = answer.iter_text()
        server.do(app.push(lease, [], log=["told"]))
        seen = ""
        while "told" not in seen:
            seen += next(pieces)
        server.do(app.services.sessions.sign_out(token))
        server.do(app.push(lease, [], log=["kept back"]))
        rest = "".join(pieces)
    assert "kept back" not in rest
    assert httpx2.get(f"{server.base_url}{path}", cookies=cookies).status_code == 303
