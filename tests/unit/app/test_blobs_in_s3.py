"""What works on the blobs of an installation when they are in S3: checks, prune, sizes, backups."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from fyke.app import prune as prunes
from fyke.app.blob_place import MARK, PLACE
from fyke.app.blobs import copy_blobs, folder_blobs, open_blobs
from fyke.app.folder import make_home, write_private
from fyke.app.maintenance import check
from fyke.app.maintenance import check_place as check_setting
from fyke.app.measuring import measure
from fyke.app.probe import ServerProbe, check_place
from fyke.app.prune import Kind, Prune
from fyke.app.restored import RESTORED
from fyke.cli.backup_file import write_backup
from fyke.cli.doctor_database import check_blobs
from fyke.cli.doctor_result import FAILED, OK, CheckResult
from fyke.contracts.state import Transaction
from fyke.domain.workers.bundles import bundle_name
from fyke.errors import Conflict
from fyke.kit.clock import SystemClock
from fyke.model.health import Level
from fyke.model.worker import Version
from fyke.settings import Settings
from fyke.storage.sql.dialects import make_engine
from fyke.timers.loop import TimerBoard
from support import records
from support.commands import command
from support.kept_pages import kept_page_in
from support.prepared import rows_in, state_in
from support.projects import python_project
from support.s3_servers import S3Server, moto_server, s3_settings
from support.sealed import sealed_run_in
from support.stores import open_state

pytestmark = pytest.mark.anyio
BUNDLE = python_project("print('hello')\n")
DIGEST = hashlib.sha256(BUNDLE).hexdigest()


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with moto_server() as (started, _):
        yield started


@pytest.fixture
async def settings(tmp_path: Path, server: S3Server, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """An installation with a sealed run, a last page and a bundle, which are all in S3."""
    monkeypatch.delenv("FYKE_DATABASE_URL", raising=False)
    monkeypatch.setattr(prunes, "abandoned_groups", list)
    monkeypatch.setattr(prunes, "PUSH_SECONDS", -60.0)
    made = Settings(**s3_settings(tmp_path / "home", server))
    make_home(made)
    state_in(made.home)
    rows_in(made.home)
    write_private(made.secret_file, "ab" * 32)
    await sealed_run_in(made.home, "run", "attempt")
    await kept_page_in(made.home)
    await add_version(made)
    await folder_blobs(made).put(bundle_name(DIGEST), BUNDLE)
    await copy_blobs(made)
    shutil.rmtree(made.blobs_dir)
    return made


async def add_version(settings: Settings, digest: str = DIGEST) -> Version:
    account = records.account()
    worker = records.worker(account.id)
    version = records.version(worker.id, digest=digest)

    def work(tx: Transaction) -> None:
        tx.accounts.add(account)
        tx.workers.add(worker)
        tx.workers.add_version(version)

    async with open_state(f"sqlite:///{settings.home / 'state.db'}") as storage:
        await storage.write(work)
    return version


async def blob_in(settings: Settings, folder: str) -> str:
    [blob] = [blob async for blob in open_blobs(settings).walk(folder)]
    return blob.name


def of_blobs(faults: list[str]) -> list[str]:
    return [fault for fault in faults if "bundle" in fault or "the file" in fault]


def for_commands(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let commands have these settings, as those of a user who is not root."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    for name in ("blobs_url", "s3_endpoint", "s3_region", "s3_key_id"):
        monkeypatch.setenv(f"FYKE_{name.upper()}", str(getattr(settings, name)))
    monkeypatch.setenv("FYKE_S3_SECRET", settings.s3_secret.get_secret_value())


async def in_thread(work: Callable[..., Any], *arguments: object) -> Any:
    """Commands have no event loop."""
    from asyncio import to_thread

    return await to_thread(work, *arguments)


async def test_the_check_finds_what_is_missing_or_changed(settings: Settings) -> None:
    assert of_blobs(await in_thread(check, settings)) == []
    blobs = open_blobs(settings)
    await blobs.delete(await blob_in(settings, "rows"))
    await blobs.put(await blob_in(settings, "pages"), b"short")
    await blobs.put(bundle_name(DIGEST), b"other")
    rows, page, bundle = of_blobs(await in_thread(check, settings))
    assert "with 10 rows of run run cannot be read: no such blob" in rows
    assert "was changed: it has 5 bytes" in page
    assert f"the bundle {DIGEST} was changed" in bundle


async def test_only_what_nothing_needs_is_removed(settings: Settings) -> None:
    blobs = open_blobs(settings)
    needed = {blob.name async for blob in blobs.walk()}
    left = ("bundles/" + "ab" * 32, "rows/left.jsonl.zst", "pages/left.html.txt")
    for name in left:
        await blobs.put(name, b"left")
    of_places_below = {f"bundles/{MARK}", "rows/rows/left.jsonl.zst"}
    for name in of_places_below:
        await blobs.put(name, b"of others")
    prune = Prune(settings)
    try:
        kinds = (Kind.BUNDLE, Kind.ROWS, Kind.PAGE)
        found = [item for item in await prune.find() if item.kind in kinds]
        assert [item.place for item in found] == [f"{settings.blobs_url}/{name}" for name in left]
        assert [await prune.remove(item) for item in found] == [True, True, True]
    finally:
        prune.close()
    assert {blob.name async for blob in blobs.walk()} == needed | of_places_below


async def test_a_bundle_whose_version_was_added_meanwhile_comes_back(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The version is added after the first look at the state and before the bundle is deleted."""
    blobs, data = open_blobs(settings), b"another bundle"
    digest = hashlib.sha256(data).hexdigest()
    await blobs.put(bundle_name(digest), data)
    prune = Prune(settings)
    delete = prune._blobs.delete_old

    async def late(name: str, before: float) -> bool:
        await add_version(settings, digest)
        return await delete(name, before)

    monkeypatch.setattr(prune._blobs, "delete_old", late)
    try:
        [item] = [item for item in await prune.find() if item.kind is Kind.BUNDLE]
        assert not await prune.remove(item)
    finally:
        prune.close()
    assert await blobs.get(bundle_name(digest)) == data


async def test_a_recent_bundle_is_kept(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prunes, "PUSH_SECONDS", 3600.0)
    await open_blobs(settings).put("bundles/" + "ab" * 32, b"new")
    prune = Prune(settings)
    try:
        assert [item for item in await prune.find() if item.kind is Kind.BUNDLE] == []
    finally:
        prune.close()


async def test_the_report_names_the_place(settings: Settings) -> None:
    engine = make_engine(f"sqlite:///{settings.home / 'state.db'}", durable=False)
    report = await in_thread(measure, settings, engine, int(time.time()))
    engine.dispose()
    [part] = [part for part in report.parts if part.name == "blobs"]
    assert part.files == 3 and part.complete and settings.blobs_url in part.description


async def test_a_backup_says_where_the_blobs_are(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for_commands(settings, monkeypatch)
    file, new = tmp_path / "x.tgz", tmp_path / "new"
    create = ("backup", "create", file, "--home", settings.home, "--json")
    code, out, _ = await in_thread(command, *create)
    report = json.loads(out)
    assert (code, report["blobs"], report["findings"]) == (0, settings.blobs_url, [])
    code, out, _ = await in_thread(command, "backup", "verify", file, "--json")
    report = json.loads(out)
    assert (report["blobs"], of_blobs(report["findings"])) == (settings.blobs_url, [])
    code, out, _ = await in_thread(command, "restore", file, "--home", new, "--json")
    assert (code, json.loads(out)["blobs"]) == (0, settings.blobs_url)
    names = sorted(path.name for path in new.iterdir())
    assert names == [RESTORED, "rows.db", "secret.key", "state.db"]


async def test_the_command_copies_to_the_place_of_the_settings(
    settings: Settings, server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = settings.model_copy(update={"blobs_url": str(server.new_place())})
    for_commands(there, monkeypatch)
    copy = ("db", "copy-blobs", "--home", settings.home, "--json")
    code, out, _ = await in_thread(command, *copy)
    report = json.loads(out)
    assert (code, report["source"], report["target"], report["blobs"]) == (
        0, settings.blobs_url, there.blobs_url, 3,
    )  # fmt: skip
    assert of_blobs(await in_thread(check, there)) == []
    await open_blobs(there).delete(bundle_name(DIGEST))
    back = there.model_copy(update={"blobs_url": ""})
    for_commands(back, monkeypatch)
    code, _, error = await in_thread(command, *copy)
    assert code != 0 and f"{there.blobs_url} lacks 1 of the blobs" in str(error)
    code, out, _ = await in_thread(command, *copy, "--accept-missing")
    assert json.loads(out)["missing"] == [bundle_name(DIGEST)]
    _, out, _ = await in_thread(command, *copy[:-1], "--accept-missing")
    assert bundle_name(DIGEST) in out
    assert code == 0 and len(of_blobs(await in_thread(check, back))) == 1


def other_places(settings: Settings, server: S3Server) -> list[tuple[Settings, str]]:
    """Settings that are not those of the installation, and what is said about each."""
    elsewhere = {"blobs_url": str(server.new_place())}
    here = f"are in {settings.blobs_url}, and blobs_url is"
    return [
        (settings.model_copy(update={"blobs_url": ""}), f"{here} empty"),
        (settings.model_copy(update=elsewhere), f"{here} {elsewhere['blobs_url']}"),
    ]


async def test_nothing_of_another_place_is_removed(settings: Settings, server: S3Server) -> None:
    for other, problem in other_places(settings, server):
        await open_blobs(other).put("rows/of-another.jsonl.zst", b"rows")
        prune = Prune(other)
        try:
            with pytest.raises(Conflict, match=re.escape(problem)):
                await prune.find()
        finally:
            prune.close()


async def test_nothing_is_removed_where_the_mark_is_missing_or_another(settings: Settings) -> None:
    blobs = open_blobs(settings)
    prune = Prune(settings)
    try:
        await blobs.put(MARK, b"another")
        with pytest.raises(Conflict, match="has the blobs of another installation"):
            await prune.find()
        await blobs.delete(MARK)
        with pytest.raises(Conflict, match=f"its object {MARK} is missing"):
            await prune.find()
    finally:
        prune.close()


async def test_the_check_says_that_the_place_is_another(
    settings: Settings, server: S3Server
) -> None:
    for other, problem in other_places(settings, server):
        [finding] = [fault for fault in await in_thread(check, other) if "blobs" in fault]
        assert problem in finding


async def test_a_backup_with_another_place_is_refused(
    settings: Settings, server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, (other, problem) in enumerate(other_places(settings, server)):
        for_commands(other, monkeypatch)
        file = tmp_path / f"{number}.tgz"
        code, _, error = await in_thread(command, "backup", "create", file, "--home", settings.home)
        assert code and isinstance(error, Conflict) and problem in str(error)
        assert not any(path.match("*.tgz*") for path in tmp_path.iterdir())


async def test_a_backup_before_the_copy_is_refused(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The settings name S3 already, and the blobs are in the folder."""
    await copy_blobs(settings.model_copy(update={"blobs_url": ""}))
    for_commands(settings, monkeypatch)
    file = tmp_path / "x.tgz"
    code, _, error = await in_thread(command, "backup", "create", file, "--home", settings.home)
    assert code and f"are in {settings.blobs_dir}, and blobs_url is" in str(error)


async def test_an_older_backup_that_lacks_its_blobs_is_recognized(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was made as in the test before, when this was not refused."""
    await copy_blobs(settings.model_copy(update={"blobs_url": ""}))
    for_commands(settings, monkeypatch)
    file, new = tmp_path / "x.tgz", tmp_path / "new"
    with file.open("wb") as target:
        await in_thread(write_backup, settings, target, file.name, [])
    code, out, _ = await in_thread(command, "backup", "verify", file, "--json")
    findings = json.loads(out)["findings"]
    assert code == 1 and "were in the data folder" in findings[0]
    assert len(of_blobs(findings[1:])) == 3
    code, out, _ = await in_thread(command, "restore", file, "--home", new, "--json")
    report = json.loads(out)
    assert (code, report["blobs"]) == (1, "")
    assert "were in the data folder" in report["findings"][0]
    assert "of the last page" in report["findings"][1]
    assert not (new / RESTORED).exists()


async def test_a_backup_does_not_need_s3(settings: Settings) -> None:
    away = settings.model_copy(update={"s3_endpoint": "http://127.0.0.1:1"})
    assert await in_thread(check_setting, away) == []


async def test_a_backup_says_that_s3_refuses(settings: Settings, server: S3Server) -> None:
    """The bucket is gone."""
    gone = settings.model_copy(update={"blobs_url": "s3://gone"})
    engine = make_engine(f"sqlite:///{settings.home / 'state.db'}", durable=False)
    with engine.begin() as connection:
        query = "UPDATE installation SET value = ? WHERE name = ?"
        connection.exec_driver_sql(query, (gone.blobs_url, PLACE))
    engine.dispose()
    [finding] = await in_thread(check_setting, gone)
    assert "s3://gone: it answered NoSuchBucket" in finding


async def test_the_health_page_names_what_is_wrong(settings: Settings) -> None:
    engine = make_engine(f"sqlite:///{settings.home / 'state.db'}", durable=False)
    check = await check_place(settings, engine, open_blobs(settings))
    assert (check.name, check.level) == ("blobs", Level.GOOD)
    away = settings.model_copy(update={"s3_endpoint": "http://127.0.0.1:1"})
    check = await check_place(away, engine, open_blobs(away))
    assert check.level is Level.BAD and settings.blobs_url in check.detail
    await open_blobs(settings).delete(MARK)
    check = await check_place(settings, engine, open_blobs(settings))
    assert check.level is Level.BAD and f"its object {MARK} is missing" in check.detail
    folder = settings.model_copy(update={"blobs_url": ""})
    check = await check_place(folder, engine, open_blobs(folder))
    assert check.level is Level.BAD and f"are in {settings.blobs_url}" in check.detail
    engine.dispose()


@pytest.mark.parametrize("before", [True, False])
async def test_a_server_with_its_blobs_in_the_folder_sees_that_they_are_in_s3(
    settings: Settings, before: bool
) -> None:
    """Another server has put them there. As long as the folder is the place, nothing is said."""
    folder = settings.model_copy(update={"blobs_url": ""})
    if before:
        await copy_blobs(folder)
    async with open_state(f"sqlite:///{settings.home / 'state.db'}") as storage:
        runtime = SimpleNamespace(settings=folder, storage=storage, blobs=open_blobs(folder))
        probe = ServerProbe(cast("Any", runtime), TimerBoard(), SystemClock())
        found = [check.name for check in await probe.database()]
    assert found == (["database"] if before else ["database", "blobs"])


async def test_doctor_tries_the_place(
    settings: Settings, server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def doctors(settings: Settings) -> list[CheckResult]:
        return list(check_blobs(settings))

    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    [good] = await in_thread(doctors, settings)
    assert (good.name, good.state) == ("blobs", OK)
    for other, problem in other_places(settings, server):
        [bad] = await in_thread(doctors, other)
        assert bad.state == FAILED and problem in bad.detail
    wrong = settings.model_copy(update={"database_url": "postgresql://[wrong"})
    [good] = await in_thread(doctors, wrong)
    assert good.state == OK
    new = settings.model_copy(update={"home": tmp_path / "new"})
    [bad] = await in_thread(doctors, new)
    assert bad.state == FAILED and "of another installation" in bad.detail
    new = new.model_copy(update={"blobs_url": str(server.new_place())})
    await folder_blobs(new).put("bundles/a", b"data")
    [bad] = await in_thread(doctors, new)
    assert bad.state == FAILED and "fyke db copy-blobs" in bad.detail
    await folder_blobs(new).delete("bundles/a")
    [good] = await in_thread(doctors, new)
    assert good.state == OK
    [bad] = await in_thread(doctors, new.model_copy(update={"blobs_url": "s3://nowhere"}))
    assert bad.state == FAILED and "NoSuchBucket" in bad.detail
    assert await in_thread(doctors, new.model_copy(update={"blobs_url": ""})) == []
