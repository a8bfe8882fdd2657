"""The file of a backup: written, read, and refused when it is damaged."""

from __future__ import annotations

import io
import json
import sqlite3
import tarfile
from pathlib import Path

import pytest

from fyke.cli import backup_file
from fyke.cli.backup_file import DamagedBackup, check_suffix, compressed, unpack, write_backup
from fyke.cli.errors import CommandFailed, Exit
from fyke.settings import Settings

NAMES = ("x.tar.gz", "x.tgz", "x.tar.zst")


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.delenv("FYKE_DATABASE_URL", raising=False)
    home = tmp_path / "home"
    (home / "blobs" / "bundles").mkdir(parents=True)
    (home / "blobs" / ".part").mkdir()
    for database in backup_file.DATABASES:
        connection = sqlite3.connect(home / database)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE t (n)")
        connection.execute("INSERT INTO t VALUES (7)")
        connection.commit()
        connection.close()
    (home / "secret.key").write_text("ab" * 32)
    (home / "owner.key").write_text("scraper_api_X")
    (home / "config.toml").write_text("port = 9000\n")
    (home / "blobs" / "bundles" / "abc123").write_bytes(b"PK" * 1000)
    (home / "blobs" / ".part" / "half").write_bytes(b"not whole")
    return Settings(home=home)


def backup_of(settings: Settings, name: str) -> bytes:
    file = io.BytesIO()
    write_backup(settings, file, name, [])
    return file.getvalue()


def empty(tmp_path: Path) -> Path:
    folder = tmp_path / "new"
    folder.mkdir()
    return folder


@pytest.mark.parametrize("name", NAMES)
def test_a_backup_can_be_unpacked(settings: Settings, tmp_path: Path, name: str) -> None:
    home = empty(tmp_path)
    manifest = unpack(io.BytesIO(backup_of(settings, name)), name, home)
    files = {str(p.relative_to(home)) for p in home.rglob("*") if p.is_file()}
    assert files == set(manifest["files"])
    assert files == {
        "state.db", "rows.db", "secret.key", "config.toml", "blobs/bundles/abc123",
    }  # fmt: skip
    assert (home / "blobs/bundles/abc123").read_bytes() == b"PK" * 1000
    connection = sqlite3.connect(home / "state.db")
    assert connection.execute("SELECT n FROM t").fetchall() == [(7,)]
    connection.close()
    assert all(p.stat().st_mode & 0o077 == 0 for p in home.rglob("*") if p.is_file())
    assert [path.name for path in settings.scratch_dir.iterdir()] == ["backup.lock"]


def test_packed_environments_are_not_in_a_backup(settings: Settings, tmp_path: Path) -> None:
    for folder in ("environments", "uploads"):
        (settings.blobs_dir / folder).mkdir(parents=True, exist_ok=True)
        (settings.blobs_dir / folder / "one").write_bytes(b"x")
    names = {path.parent.name for path in backup_file._blobs(settings.blobs_dir, named=True)}
    assert "uploads" in names and "environments" not in names


def test_a_backup_with_postgresql_has_no_databases(settings: Settings, tmp_path: Path) -> None:
    (settings.home / "state.db").unlink()
    elsewhere = settings.model_copy(update={"database_url": "postgresql://x/y"})
    home = empty(tmp_path)
    manifest = unpack(io.BytesIO(backup_of(elsewhere, "x.tgz")), "x.tgz", home)
    assert manifest["database"] == "postgresql"
    assert "state.db" not in manifest["files"]
    assert (home / "secret.key").read_text() == "ab" * 32


@pytest.mark.parametrize("name", ["x.tar.gz", "x.tar.zst"])
def test_a_truncated_backup_is_damaged(settings: Settings, tmp_path: Path, name: str) -> None:
    whole = backup_of(settings, name)
    for number, length in enumerate((0, 1, 20, len(whole) // 2, len(whole) - 100)):
        folder = tmp_path / str(number)
        folder.mkdir()
        with pytest.raises(DamagedBackup):
            unpack(io.BytesIO(whole[:length]), name, folder)


def rewritten(whole: bytes, change: str) -> bytes:
    """A valid archive of the backup with one change."""
    file = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(whole), mode="r:gz") as source_tar,
        compressed(file, "x.tgz", "w") as stream,
        tarfile.open(fileobj=stream, mode="w|") as out,
    ):
        for member in source_tar:
            source = source_tar.extractfile(member)
            assert source is not None
            data = source.read()
            if change == member.name:
                data = data[:-1] + bytes([data[-1] ^ 1])
            elif change == "format" and member.name == backup_file.MANIFEST:
                data = json.dumps({**json.loads(data), "format": 99}).encode()
            elif change == f"without {member.name}":
                continue
            elif change.startswith("name ") and member.name == "secret.key":
                member.name = change.removeprefix("name ")
            elif change == "link" and member.name == "secret.key":
                link = tarfile.TarInfo("secret.key")
                link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
                out.addfile(link)
                continue
            member.size = len(data)
            out.addfile(member, io.BytesIO(data))
    return file.getvalue()


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ("secret.key", r"secret\.key has changed"),
        ("blobs/bundles/abc123", "abc123 has changed"),
        ("without config.toml", r"config\.toml is missing"),
        ("without manifest.json", "no manifest"),
        ("format", "format 99"),
        ("link", "does not belong"),
        ("name ../outside", "does not belong"),
        ("name /etc/outside", "does not belong"),
        ("name blobs/../../outside", "does not belong"),
        ("name owner.key", "does not belong"),
    ],
)
def test_a_changed_backup_is_refused(
    settings: Settings, tmp_path: Path, change: str, word: str
) -> None:
    changed = rewritten(backup_of(settings, "x.tgz"), change)
    with pytest.raises((CommandFailed, DamagedBackup), match=word):
        unpack(io.BytesIO(changed), "x.tgz", empty(tmp_path))
    assert not (tmp_path / "outside").exists()


def test_a_damaged_database_is_refused(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fyke.app import maintenance

    whole = backup_of(settings, "x.tgz")
    monkeypatch.setattr(maintenance, "find_damage", lambda file: ["page 3 is torn"])
    with pytest.raises(DamagedBackup, match=r"state\.db: page 3"):
        unpack(io.BytesIO(whole), "x.tgz", empty(tmp_path))


def test_the_name_determines_the_compression() -> None:
    for name in NAMES:
        check_suffix(Path(name))
    with pytest.raises(CommandFailed, match=r"\.tar\.gz") as caught:
        check_suffix(Path("x.zip"))
    assert caught.value.code is Exit.USAGE
