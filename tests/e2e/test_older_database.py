"""A data folder from before release 0.1.0: only ``fyke db convert`` accepts it."""

from __future__ import annotations

import hashlib
import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fyke.storage.sql.dialects import for_writing, make_engine, sqlite_url
from fyke.storage.sql.results.migrate import migrate_results
from support.booted import PLAIN_UID, Booted
from support.commands import Cli
from support.older_database import add, make_old

STOP = "Stop every Fyke that uses it, back it up, and convert it with"
REMEDY = "fyke db convert"
UNCHANGED = "before release 0.1.0 of Fyke and was not changed"
DATABASES = ("state.db", "state.db-wal", "rows.db")


@pytest.fixture
def old() -> Iterator[Booted]:
    """The folder of a killed platform, whose last writes are in the WAL only."""
    folder = Path(tempfile.mkdtemp(prefix="fyke-e2e-"))
    platform = Booted(folder, uid=PLAIN_UID if os.geteuid() == 0 else None)
    platform.home.mkdir()
    (platform.home / "secret.key").write_text("0" * 64)
    made = folder / "made"
    made.mkdir()
    migrate_results(sqlite_url(made / "rows.db"))
    engine = make_engine(sqlite_url(made / "state.db"), durable=False)
    make_old(engine, "0018")
    with for_writing(engine).begin() as connection:
        first = {"plan": "free", "time_zone": "UTC"}
        add(connection, "accounts", id="A", name="first", **first)
    with engine.connect():
        for name in DATABASES:
            shutil.copy(made / name, platform.home)
    engine.dispose()
    if platform.uid is not None:
        for path in (folder, platform.home, *platform.home.iterdir()):
            os.chown(path, platform.uid, platform.uid)
    yield platform
    platform.stop()
    shutil.rmtree(folder)


def digests(home: Path) -> dict[str, str]:
    return {name: hashlib.sha256((home / name).read_bytes()).hexdigest() for name in DATABASES}


@pytest.mark.long
def test_an_older_folder_is_refused_untouched_and_then_converted(old: Booted) -> None:
    cli, identity, user = Cli(old), plain(old), old.uid
    before = digests(old.home)
    assert (old.home / "state.db-wal").stat().st_size > 0
    for refused in (
        ("up", "--port", "0"),
        ("serve", "--role", "server", "--port", "0"),
        ("serve", "--role", "runner"),
        ("serve", "--role", "egress"),
    ):
        err = cli.process(*refused, code=1, **identity)[1]
        assert f"{UNCHANGED}. {STOP}: {REMEDY}" in err
        assert digests(old.home) == before
    assert f"{UNCHANGED}. {STOP}: {REMEDY}" in cli.run("db", "migrate", code=1, user=user)[1]
    assert digests(old.home) == before
    assert REMEDY in cli.run("db", "check", code=1, user=user)[0]
    looked = cli.start("doctor", **identity)
    assert REMEDY in looked.communicate()[0]
    assert digests(old.home) == before

    copy = old.folder / "before.tar.gz"
    cli.run("db", "backup", copy, user=user)
    with tarfile.open(copy) as archive:
        assert b'"0018"' in archive.extractfile("manifest.json").read()  # type: ignore[union-attr]
    restored = old.folder / "restored"
    cli.run("db", "restore", copy, "--home", restored, user=user)

    for home in (old.home, restored):
        found = cli.json("db", "convert", "--home", home, user=user)
        assert found["rows"].startswith("r") and found["state"].startswith("s")
        assert cli.json("db", "check", "--home", home, user=user)["ok"] is True
    assert "no conversion" in cli.run("db", "convert", code=5, user=user)[1]
    old.start()
    assert "already running" in cli.run("db", "convert", code=5, user=user)[1]
    names = [account["name"] for account in old.read("/api/fyke/accounts")["list"]]
    assert sorted(names) == ["first", "owner"]


def plain(platform: Booted) -> dict[str, Any]:
    """The user of the folder when the tests run as root."""
    if platform.uid is None:
        return {}
    return {"user": platform.uid, "group": platform.uid, "extra_groups": [], "cwd": "/"}
