"""A third-party client package for the original platform, used with this server."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from coreclaw import CoreClawClient
from coreclaw.exceptions import CoreClawHTTPError

from support.served import Served, served


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, templates: Path) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("served"), templates) as server:
        server.do(server.app.publish())
        yield server


@pytest.fixture
def coreclaw(server: Served) -> Iterator[CoreClawClient]:
    with CoreClawClient(api_key=server.app.owner_key, base_url=server.base_url) as client:
        yield client


INPUT = {"parameters": {"system": {"memory": 512}, "custom": {"urls": ["https://a.example"]}}}


def test_an_async_run_returns_its_rows(server: Served, coreclaw: CoreClawClient) -> None:
    data = coreclaw.scraper("owner/reader").run(input=INPUT, version="v1.0.1")
    server.do(server.app.execute([{"n": n} for n in range(25)]))
    page = coreclaw.run(data["run_slug"]).list_results(limit=10, offset=20)
    assert page["count"] == 25
    assert [row["n"] for row in page["list"]] == [20, 21, 22, 23, 24]


def test_a_sync_run_returns_its_rows(server: Served, coreclaw: CoreClawClient) -> None:
    async def execute() -> None:
        import asyncio

        while not (leases := await server.app.begin()):
            await asyncio.sleep(0.005)
        await server.app.push(leases[0], [{"n": 1}, {"n": 2}])
        await server.app.end(leases[0])

    runner = threading.Thread(target=lambda: server.do(execute()))
    runner.start()
    data = coreclaw.scraper("owner/reader").run(input=INPUT, wait_for_finish=True, limit=1)
    runner.join()
    assert (data["run_status"], data["results"]["count"]) == ("completed", 2)
    assert len(data["results"]["list"]) == 1


def test_a_bad_key_is_an_http_error(server: Served) -> None:
    stranger = CoreClawClient(api_key="wrong", base_url=server.base_url)
    with stranger, pytest.raises(CoreClawHTTPError) as caught:
        stranger.scraper("owner/reader").run(input=INPUT)
    assert caught.value.status_code == 401
