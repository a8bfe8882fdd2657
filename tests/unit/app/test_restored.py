"""A restored copy with blobs in S3 leaves those of its original alone."""

from __future__ import annotations

import json
import os
from asyncio import to_thread
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fyke.app import blobs as blobs_module
from fyke.app import prune as prunes
from fyke.app.blob_place import MARK
from fyke.app.blobs import accept_blobs, check_blobs, copy_blobs, open_blobs, try_place
from fyke.app.folder import make_home, write_private
from fyke.app.prune import Kind, Prune
from fyke.app.restored import RESTORED, is_restored
from fyke.app.state import open_state
from fyke.cli.main import app
from fyke.contracts.state import Transaction
from fyke.errors import Conflict, Unavailable
from fyke.settings import Settings
from support import records
from support.commands import command
from support.prepared import rows_in, state_in
from support.s3_servers import S3Server, moto_server, s3_settings

pytestmark = pytest.mark.anyio
REFUSED = "must never use the same place"
NEWER = "rows/newer.jsonl.zst"


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with moto_server() as (started, _):
        yield started


@pytest.fixture
async def original(
    tmp_path: Path, server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Settings]:
    monkeypatch.delenv("FYKE_DATABASE_URL", raising=False)
    monkeypatch.setattr(prunes, "abandoned_groups", list)
    monkeypatch.setattr(prunes, "PUSH_SECONDS", -60.0)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    settings = Settings(**s3_settings(tmp_path / "home", server))
    for name in ("blobs_url", "s3_endpoint", "s3_region", "s3_key_id"):
        monkeypatch.setenv(f"FYKE_{name.upper()}", str(getattr(settings, name)))
    monkeypatch.setenv("FYKE_S3_SECRET", settings.s3_secret.get_secret_value())
    make_home(settings)
    state_in(settings.home)
    rows_in(settings.home)
    write_private(settings.secret_file, "ab" * 32)
    await start(settings)
    yield settings


@pytest.fixture
async def restored(original: Settings, tmp_path: Path) -> Settings:
    """A restored copy; the original has stored a file since the backup."""
    file, home = tmp_path / "x.tgz", tmp_path / "restored"
    code, _, _ = await to_thread(command, "backup", "create", file, "--home", original.home)
    assert code == 0
    code, _, _ = await to_thread(command, "restore", file, "--home", home)
    assert code == 0
    await open_blobs(original).put(NEWER, b"rows")
    settings = original.model_copy(update={"home": home})
    make_home(settings)
    return settings


async def start(settings: Settings) -> None:
    async with open_state(settings) as storage:
        await check_blobs(settings, storage, print)


async def found(settings: Settings) -> list[str]:
    prune = Prune(settings)
    try:
        return [item.path.name for item in await prune.find() if item.kind is Kind.ROWS]
    finally:
        prune.close()


async def test_a_restored_copy_neither_starts_nor_prunes(restored: Settings) -> None:
    for work in (start, found, try_place, copy_blobs):
        with pytest.raises(Conflict, match=f"{REFUSED}.*fyke db accept-blobs.*fyke db copy-blobs"):
            await work(restored)
    code, _, error = await to_thread(command, "prune", "--yes", "--home", restored.home)
    assert code and isinstance(error, Conflict) and REFUSED in str(error)
    assert await open_blobs(restored).exists(NEWER)


async def test_restore_says_how_to_decide(original: Settings, tmp_path: Path) -> None:
    file, home = tmp_path / "x.tgz", tmp_path / "restored"
    await to_thread(command, "backup", "create", file, "--home", original.home)
    answer = await to_thread(CliRunner().invoke, app, ["restore", str(file), "--home", str(home)])
    assert f"fyke db accept-blobs --home {home}" in answer.output
    assert f"fyke db copy-blobs --home {home}" in answer.output
    assert "Start Fyke with" not in answer.output


async def test_what_only_reads_is_not_refused(restored: Settings, tmp_path: Path) -> None:
    code, out, _ = await to_thread(command, "db", "check", "--home", restored.home, "--json")
    assert (code, json.loads(out)["findings"]) == (0, [])
    again = tmp_path / "again.tgz"
    code, _, _ = await to_thread(command, "backup", "create", again, "--home", restored.home)
    assert code == 0


async def test_the_original_is_refused_after_its_copy_has_taken_over(
    original: Settings, restored: Settings
) -> None:
    accept = ("db", "accept-blobs", "--home", restored.home, "--json")
    code, out, _ = await to_thread(command, *accept)
    report = {"home": str(restored.home), "blobs": restored.blobs_url}
    assert (code, json.loads(out)) == (0, report)
    await start(restored)
    assert await found(restored) == [NEWER.removeprefix("rows/")]
    for work in (start, found):
        with pytest.raises(Conflict, match="which may be a restored copy of this one"):
            await work(original)
    code, _, error = await to_thread(command, *accept)
    assert code and "is not a restored copy" in str(error)


async def test_an_interrupted_takeover_is_repeated(
    restored: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise Unavailable("interrupted")

    with monkeypatch.context() as patches:
        patches.setattr(Path, "unlink", interrupt)
        with pytest.raises(Unavailable):
            await accept_blobs(restored)
    with pytest.raises(Conflict, match=REFUSED):
        await start(restored)
    await accept_blobs(restored)
    await start(restored)


async def test_an_emptied_place_is_not_taken_over(restored: Settings) -> None:
    await open_blobs(restored).delete(MARK)
    with pytest.raises(Conflict, match=f"{MARK} is missing"):
        await accept_blobs(restored)
    assert (restored.home / RESTORED).exists()


@pytest.mark.parametrize("in_folder", [True, False])
async def test_a_copy_gets_a_place_of_its_own(
    original: Settings, restored: Settings, server: S3Server, in_folder: bool
) -> None:
    place = "" if in_folder else str(server.new_place())
    trial = restored.model_copy(update={"blobs_url": place})
    assert (await copy_blobs(trial)).blobs == 1
    await start(trial)
    await start(original)
    assert await found(trial) == await found(original) == [NEWER.removeprefix("rows/")]
    elsewhere = original.model_copy(update={"blobs_url": place})
    with pytest.raises(Conflict, match="are in"):
        await start(elsewhere)
    if place:
        with pytest.raises(Conflict, match="of another installation"):
            await copy_blobs(elsewhere)


async def test_the_new_place_of_the_original_is_no_place_of_the_copy(
    original: Settings, restored: Settings, server: S3Server
) -> None:
    """The original has moved since the backup."""
    place = {"blobs_url": str(server.new_place())}
    await copy_blobs(original.model_copy(update=place))
    await copy_blobs(restored.model_copy(update=place))
    with pytest.raises(Conflict, match=REFUSED):
        await start(restored.model_copy(update=place))


async def need_lost_bundle(settings: Settings) -> None:
    """Add a version whose bundle is not there."""
    account = records.account()
    worker = records.worker(account.id)

    def work(tx: Transaction) -> None:
        tx.accounts.add(account)
        tx.workers.add(worker)
        tx.workers.add_version(records.version(worker.id, digest="a" * 64))

    async with open_state(settings) as storage:
        await storage.write(work)


async def test_a_copy_is_repeated_without_what_is_lost(
    original: Settings, restored: Settings, server: S3Server
) -> None:
    await need_lost_bundle(restored)
    trial = restored.model_copy(update={"blobs_url": str(server.new_place())})
    with pytest.raises(Conflict, match="add --accept-missing"):
        await copy_blobs(trial)
    assert (await copy_blobs(trial, accept_missing=True)).missing == (f"bundles/{'a' * 64}",)
    await start(trial)
    await start(original)


@pytest.mark.parametrize("in_folder", [True, False])
async def test_a_copy_that_was_interrupted_at_its_end_is_completed(
    original: Settings,
    restored: Settings,
    server: S3Server,
    monkeypatch: pytest.MonkeyPatch,
    in_folder: bool,
) -> None:
    """The place was changed, and the copy was still the original."""

    async def interrupt(*_: object) -> None:
        raise Unavailable("interrupted")

    place = "" if in_folder else str(server.new_place())
    trial = restored.model_copy(update={"blobs_url": place})
    with monkeypatch.context() as patches:
        patches.setattr(blobs_module, "become_another", interrupt)
        with pytest.raises(Unavailable):
            await copy_blobs(trial)
    assert (await copy_blobs(trial)).missing == ()
    assert not is_restored(trial)
    await start(trial)
    await start(original)


async def test_a_copy_from_a_place_that_was_lost_meanwhile_is_repeated(
    original: Settings, restored: Settings, server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def interrupt(*_: object) -> None:
        raise Unavailable("interrupted")

    trial = restored.model_copy(update={"blobs_url": str(server.new_place())})
    with monkeypatch.context() as patches:
        patches.setattr(blobs_module, "_change_place", interrupt)
        with pytest.raises(Unavailable):
            await copy_blobs(trial)
    await open_blobs(original).delete(MARK)
    assert f"{MARK} is missing" in (await copy_blobs(trial)).unread
    await start(trial)
