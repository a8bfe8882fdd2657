"""The lock, the counter of fences, and the findings about files of the journal."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from fyke.errors import Unavailable
from fyke.model.results import AttemptBatch, PushedRow
from fyke.storage.sql.results.journal import folder as module
from fyke.storage.sql.results.journal.folder import DAMAGED, FOREIGN, JournalFolder
from fyke.storage.sql.results.journal.records import JournalRecord
from fyke.storage.sql.results.journal.segments import SegmentEnd
from fyke.storage.sql.results.journal.writer import JournalWriter

STORE = bytes(range(1, 17))


def record(number: int) -> JournalRecord:
    return JournalRecord(number, AttemptBatch("r", "a", [PushedRow(b'{"n":%d}' % number)]))


def write(path: Path, count: int = 3) -> Path:
    """A segment with some records."""
    path.mkdir(exist_ok=True)
    writer = JournalWriter(path, STORE, 1)
    for number in range(1, count + 1):
        writer.append([record(number)])
    return path / "00000001.journal"


def damage(segment: Path) -> None:
    data = bytearray(segment.read_bytes())
    data[data.index(b'{"n":2}') + 5] ^= 1
    segment.write_bytes(data)


def test_fences_of_another_process_are_seen(tmp_path: Path) -> None:
    own, other = JournalFolder(tmp_path / "journal"), JournalFolder(tmp_path / "journal")
    fences = own.fences()
    assert fences.count == 0
    for count in (1, 2):
        with other.locked():
            other.announce_fence()
        assert fences.count == count
    fences.close()
    again = own.fences()
    assert again.count == 2
    again.close()


def test_a_lock_that_is_not_released_is_unavailable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOCK_SECONDS", 0.01)
    first, second = JournalFolder(tmp_path), JournalFolder(tmp_path)
    with first.locked(), pytest.raises(Unavailable, match="has locked"), second.locked():
        pass
    with second.locked():
        pass


def test_an_intact_or_missing_journal_has_no_findings(tmp_path: Path) -> None:
    assert JournalFolder(tmp_path / "none").findings(STORE) == []
    write(tmp_path / "journal")
    assert JournalFolder(tmp_path / "journal").findings(STORE) == []


def test_damage_is_found_before_and_after_the_segment_is_moved(tmp_path: Path) -> None:
    segment = write(tmp_path)
    damage(segment)
    journal = JournalFolder(tmp_path)
    [finding] = journal.findings(STORE)
    assert f"{segment} is damaged at byte " in finding
    assert "next start moves what is intact" in finding
    [(path, content)] = journal.read({})
    assert [record.number for record in content.records] == [1, 3]
    for _ in range(2):
        journal.keep(path, DAMAGED)
    journal.remove(path)
    write(tmp_path)
    damage(segment)
    journal.keep(path, DAMAGED)
    journal.remove(segment)
    first, second = journal.findings(STORE)
    assert "delete the file to accept the loss" in first
    assert first != second
    assert journal.segments() == []


def test_a_segment_of_another_database_is_found(tmp_path: Path) -> None:
    segment = write(tmp_path)
    journal = JournalFolder(tmp_path)
    assert journal.findings(None) == []
    [finding] = journal.findings(bytes(16))
    assert f"{segment} belongs to another rows.db" in finding
    journal.keep(segment, FOREIGN)
    journal.remove(segment)
    [finding] = journal.findings(STORE)
    assert f"{segment}{FOREIGN} belongs to another rows.db" in finding


def test_other_files_are_not_read_but_found(tmp_path: Path) -> None:
    segment = write(tmp_path)
    for name in ("copy.journal", "00000001.journal~", "lock"):
        (tmp_path / name).touch()
    journal = JournalFolder(tmp_path)
    assert journal.segments() == [segment]
    assert journal.findings(STORE) == [
        f"{tmp_path / name} is no file of the journal: move it elsewhere"
        for name in ("00000001.journal~", "copy.journal")
    ]


def test_a_segment_is_set_aside_without_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    journal = JournalFolder(tmp_path)
    segment = write(tmp_path)
    journal.keep(segment, DAMAGED)
    monkeypatch.setattr(Path, "hardlink_to", no_links)
    journal.set_aside(segment, DAMAGED)  # has that name already
    journal.set_aside(write(tmp_path), DAMAGED)
    with pytest.raises(Unavailable, match="not permitted"):
        journal.keep(write(tmp_path), DAMAGED)
    names = [path.name for path in sorted(tmp_path.iterdir())]
    kept = f"{segment.name}{DAMAGED}"
    assert names == [segment.name, kept, f"{kept}1"]


def test_a_folder_that_cannot_be_used_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "journal").write_text("a file")
    journal = JournalFolder(tmp_path / "journal")
    with pytest.raises(Unavailable, match="cannot be used"), journal.locked():
        pass


def test_only_what_is_new_is_read_again(tmp_path: Path) -> None:
    ends: dict[Path, SegmentEnd] = {}
    journal = JournalFolder(tmp_path)
    writer = JournalWriter(tmp_path, STORE, 1)

    def read() -> list[int]:
        return [record.number for _, content in journal.read(ends) for record in content.records]

    writer.append([record(1), record(2)])
    assert read() == [1, 2]
    assert read() == []
    writer.append([record(3)])
    writer.take_before(2)
    writer.append([record(4)])
    assert read() == [3, 4]
    (tmp_path / "00000002.journal").unlink()
    (tmp_path / "00000001.journal").unlink()
    JournalWriter(tmp_path, STORE, 1).append([record(5)])  # of another runner
    assert read() == [5]
    assert len(ends) == 1
