"""The client package from PyPI, exactly as published, against a running platform."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.metadata import version

import httpx2
import pytest
from coreclaw import CoreClawAsyncClient, CoreClawClient
from coreclaw.exceptions import CoreClawError, CoreClawHTTPError

from support.booted import Booted
from support.projects import python_project, zoo

pytestmark = pytest.mark.anyio

SUCCEEDED, FAILED = 3, 4
COUNTS = """
from sdk import CoreSDK

for number in range(CoreSDK.Parameter.get_input_json_dict()["rows"]):
    CoreSDK.Result.push_data({"n": number})
"""
SCHEMA = {"properties": [{"name": "rows", "type": "integer", "required": True}]}


@pytest.fixture(scope="module")
def counter(platform: Booted) -> str:
    return platform.push(python_project(COUNTS, schema=SCHEMA), "client-counts")


@pytest.fixture
def client(platform: Booted) -> Iterator[CoreClawClient]:
    with CoreClawClient(api_key=platform.key, base_url=f"{platform.url}/") as client:
        yield client


def wanted(rows: int) -> dict[str, object]:
    return {"parameters": {"system": {"memory": 512}, "custom": {"rows": rows}}}


def test_the_installed_package_is_the_published_one() -> None:
    assert version("coreclaw-client") == "1.0.1"


def test_an_async_start_returns_its_rows_page_by_page(
    platform: Booted, client: CoreClawClient, counter: str
) -> None:
    run = client.scraper(counter).run(input=wanted(25), version="v1.0.1")["run_slug"]
    detail = platform.ended(run)
    # the Worker does not look at the answers, so a push that was refused shows only here
    assert (detail["status"], detail["results"]) == (SUCCEEDED, 25), platform.log_text(run)
    seen: list[int] = []
    for offset in (0, 10, 20, 30):
        page = client.run(run).list_results(limit=10, offset=offset)
        assert page["count"] == 25
        assert (page["page_index"], page["page_size"]) == (offset // 10 + 1, 10)
        seen += [row["n"] for row in page["list"]]
    assert seen == list(range(25))
    assert len(client.run(run).list_results()["list"]) == 10


def test_a_sync_start_without_a_version_returns_a_page_of_rows(
    client: CoreClawClient, counter: str
) -> None:
    data = client.scraper(counter).run(input=wanted(7), wait_for_finish=True, limit=3, offset=3)
    assert (data["run_status"], data["error_message"]) == ("completed", "")
    assert data["results"]["count"] == 7
    assert [row["n"] for row in data["results"]["list"]] == [3, 4, 5]


def test_a_sync_start_of_a_failing_worker_raises_nothing(
    platform: Booted, client: CoreClawClient
) -> None:
    slug = platform.push(zoo("exits_with_code"), "client-exits")
    data = client.scraper(slug).run(input={"parameters": {"custom": {}}}, wait_for_finish=True)
    assert data["status"] == FAILED
    assert "the site said no" in data["error_message"]


def test_the_worker_may_be_named_by_its_path(
    platform: Booted, client: CoreClawClient, counter: str
) -> None:
    path = f"{_owner(platform, counter)}/client-counts"
    run = client.scraper(path).run(input=wanted(1))["run_slug"]
    assert platform.ended(run)["results"] == 1


def _owner(platform: Booted, slug: str) -> str:
    found = httpx2.get(
        f"{platform.url}/api/scraper", params={"slug": slug}, headers={"api-key": platform.key}
    ).json()
    return str(found["data"]["username"])


async def test_the_async_client_does_the_same(platform: Booted, counter: str) -> None:
    async with CoreClawAsyncClient(api_key=platform.key, base_url=platform.url) as client:
        data = await client.scraper(counter).run(input=wanted(2), wait_for_finish=True)
        assert data["results"]["count"] == 2
        page = await client.run(data["run_slug"]).list_results(limit=1, offset=1)
    assert [row["n"] for row in page["list"]] == [1]


@pytest.mark.parametrize(
    ("misuse", "status", "code"),
    [
        ("a bad key", 401, 20001),
        ("an unknown worker", 404, 50001),
        ("an unknown run", 404, 70001),
        ("an unknown version", 400, 4000),
        ("a missing field", 400, 4000),
        ("a field of another type", 400, 4000),
        ("no http callback", 400, 4000),
    ],
)
def test_errors_are_raised_as_its_own_class_with_the_envelope(
    platform: Booted, client: CoreClawClient, counter: str, misuse: str, status: int, code: int
) -> None:
    with pytest.raises(CoreClawHTTPError) as caught:
        _misuse(platform, client, counter, misuse)
    assert caught.value.status_code == status
    assert isinstance(caught.value, CoreClawError)
    body = json.loads(str(caught.value).partition(": ")[2])
    assert body["code"] == code
    assert body["message"]


def _misuse(platform: Booted, client: CoreClawClient, counter: str, misuse: str) -> None:
    if misuse == "a bad key":
        with CoreClawClient(api_key="wrong", base_url=platform.url) as stranger:
            stranger.scraper(counter).run(input=wanted(1))
    elif misuse == "an unknown worker":
        client.scraper("01KJXSR49GEMBEZZ5FZDPVNBWK").run(input=wanted(1))
    elif misuse == "an unknown run":
        client.run("01KJXSR49GEMBEZZ5FZDPVNBWK").list_results()
    elif misuse == "an unknown version":
        client.scraper(counter).run(input=wanted(1), version="v7.0.0")
    elif misuse == "a missing field":
        client.scraper(counter).run(input={"parameters": {"custom": {}}})
    elif misuse == "a field of another type":
        client.scraper(counter).run(input={"parameters": {"custom": {"rows": "many"}}})
    else:
        client.scraper(counter).run(input=wanted(1), callback_url="ftp://a.example/x")
