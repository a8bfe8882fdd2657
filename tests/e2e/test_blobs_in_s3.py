"""Two machines, as two data folders, with one PostgreSQL and one place in S3."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from functools import partial

import httpx2
import psycopg
import pytest

from support.booted import TLS, Booted, booted
from support.commands import Cli
from support.projects import python_project
from support.s3_servers import MotoApp, S3Server, moto_server
from support.two_servers import own_database

# two platforms are started for the first test
pytestmark = [pytest.mark.needs("postgres"), pytest.mark.long, pytest.mark.timeout(300)]

SUCCEEDED = 3
ROWS = 300
PUSHES = f"""
import time
from sdk import CoreSDK

for number in range({ROWS}):
    CoreSDK.Result.push_data({{"n": number}})
time.sleep(5)
"""


@pytest.fixture(scope="module")
def moto() -> Iterator[tuple[S3Server, MotoApp]]:
    with moto_server() as started:
        yield started


@pytest.fixture(scope="module")
def settings(moto: tuple[S3Server, MotoApp]) -> dict[str, str]:
    access = moto[0].access
    return {
        "database_url": own_database(),
        "blobs_url": str(moto[0].place),
        "s3_endpoint": access.endpoint,
        "s3_key_id": access.key_id,
        "s3_secret": access.secret,
        "runner_cpus": "0.01",  # each runner takes one run at a time
        "seal_rows": "10",
        "seal_after_seconds": "1",
    }


@pytest.fixture(scope="module")
def first(settings: dict[str, str]) -> Iterator[Booted]:
    """The machine that people use."""
    with booted(**settings) as platform:
        yield platform


@pytest.fixture(scope="module")
def second(first: Booted, settings: dict[str, str]) -> Iterator[Booted]:
    """Another machine of the installation."""
    with booted(start=False, **settings) as platform:
        owner = first.home.stat()
        platform.home.mkdir(mode=0o711)
        shutil.copy(first.home / "secret.key", platform.home)
        shutil.copy(first.home / "owner.key", platform.home)
        for path in (platform.home, *platform.home.iterdir()):
            os.chown(path, owner.st_uid, owner.st_gid)
        yield platform.start()


def files_in(platform: Booted) -> list[str]:
    """The blobs in the data folder."""
    folder = platform.home / "blobs"
    return [path.name for path in folder.rglob("*") if path.is_file() and path.name != ".lock"]


def unpacked_in(platform: Booted) -> list[str]:
    folder = platform.home / "cache" / "bundles"
    return [path.name for path in folder.iterdir() if not path.name.startswith(".")]


def sealed(platform: Booted, run: str) -> bool:
    """Whether the rows of a run have been moved into a file."""
    with psycopg.connect(platform.settings["database_url"].replace("+psycopg", "")) as connection:
        found = connection.execute("SELECT sealed FROM results_runs WHERE run_id = %s", (run,))
        row = found.fetchone()
    return bool(row and row[0])


def test_runs_of_both_machines_are_read_at_each(first: Booted, second: Booted) -> None:
    slug = first.push(python_project(PUSHES), "s3-pushes")
    runs = [first.start_run(slug) for _ in range(2)]
    for run in runs:
        assert first.ended(run)["status"] == SUCCEEDED
    assert len(unpacked_in(first)) == len(unpacked_in(second)) == 1
    for run in runs:
        first.wait_for(partial(sealed, first, run), "the rows in S3")
        export, _ = first.links(run)
        for platform in (first, second):
            assert [row["n"] for row in platform.rows(run, 70)] == list(range(ROWS))
            link = export.replace(first.url, platform.url)
            assert len(httpx2.get(link, verify=TLS).text.splitlines()) == ROWS + 1
    assert files_in(first) == files_in(second) == []


def test_an_upload_to_one_machine_is_published_at_the_other(first: Booted, second: Booted) -> None:
    files = {"scraper_file": ("project.zip", python_project("print('uploaded')\n"))}
    headers = {"api-key": first.key}
    url = f"{first.url}/api/fyke/uploads"
    upload = httpx2.post(url, files=files, headers=headers, verify=TLS, timeout=60).json()["data"]
    found = f"/api/fyke/uploads/{upload['id']}"
    second.wait_for(lambda: second.read(found)["state"] == "ready", "the checks")
    second.call(f"{found}/publish", {"name": "s3-uploaded"})
    slug = first.read(found)["worker_slug"]
    assert first.ended(first.start_run(slug))["status"] == SUCCEEDED


def test_an_outage_ends_no_run(
    first: Booted, second: Booted, moto: tuple[S3Server, MotoApp]
) -> None:
    """A version whose files are on a machine runs there; one whose files are not there waits."""
    new = first.push(python_project("print('new')\n"), "s3-new")
    moto[1].failures[:] = ["503 Service Unavailable"] * 10_000
    try:
        waiting = first.start_run(new)
        first.wait_for(
            lambda: "storage of bundles could not be reached" in first.log_text(waiting),
            "the fault in the log",
        )
    finally:
        moto[1].failures.clear()
    assert first.ended(waiting)["status"] == SUCCEEDED


def test_nothing_that_the_database_refers_to_is_missing(first: Booted, second: Booted) -> None:
    assert Cli(first).json("db", "check")["findings"] == []
