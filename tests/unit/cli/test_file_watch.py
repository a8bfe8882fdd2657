"""Which saved files of a project are seen."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from fyke.cli.file_watch import MAX_ROUNDS, PAUSE_SECONDS, SETTLE_SECONDS, FileWatch


def watch(
    folder: Path,
    *others: Path,
    output: Path | None = None,
    while_settling: Callable[[], object] = lambda: None,
) -> FileWatch:
    def wait(seconds: float) -> bool:
        assert seconds == SETTLE_SECONDS
        return bool(while_settling())

    return FileWatch(folder, others, output, clock=lambda: 0.0, wait=wait)


def test_files_that_are_added_changed_and_removed_are_named_once(tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    for name in ("main.py", "lib/a.py", "lib/b.py"):
        (tmp_path / name).write_text("1")
    files = watch(tmp_path)
    assert files.changes() == ["lib/a.py", "lib/b.py", "main.py"]
    assert files.changes() == []
    (tmp_path / "main.py").write_text("12")
    (tmp_path / "lib/a.py").unlink()
    (tmp_path / "new.py").touch()
    assert files.changes() == ["lib/a.py", "main.py", "new.py"]
    assert files.changes() == []
    assert files.pause == PAUSE_SECONDS


def test_a_file_that_is_replaced_by_one_of_the_same_size_and_time_is_seen(tmp_path: Path) -> None:
    main = tmp_path / "main.py"
    main.write_text("1")
    files = watch(tmp_path)
    files.changes()
    time = main.stat().st_mtime_ns
    other = tmp_path.parent / "other"
    other.write_text("2")
    os.utime(other, ns=(time, time))
    other.replace(main)
    assert files.changes() == ["main.py"]


def test_what_is_not_packed_and_what_editors_write_is_not_seen(tmp_path: Path) -> None:
    files = watch(tmp_path)
    for folder in ("__pycache__", ".git", "node_modules", "dist"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x.py").touch()
    for name in ("main.py~", ".main.py.swp", "4913", ".#main.py", "x.log", ".goutputstream-A1"):
        (tmp_path / name).touch()
    assert files.changes() == []


def test_an_input_elsewhere_is_seen_and_may_be_missing(tmp_path: Path) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    given = tmp_path / "input.json"
    files = watch(folder, given)
    assert files.changes() == []
    given.write_text("{}")
    assert files.changes() == [str(given)]


def test_what_the_run_writes_starts_no_run(tmp_path: Path) -> None:
    files = watch(tmp_path, output=tmp_path / "rows.csv")
    (tmp_path / "rows.csv").touch()
    (tmp_path / ".fyke-abc.part").touch()
    (tmp_path / "rows-pages-abc").mkdir()
    (tmp_path / "rows-pages-abc" / "page-1.jpg").touch()
    assert files.changes() == []
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "rows.csv").touch()
    assert files.changes() == ["lib/rows.csv"]


@pytest.mark.parametrize("way", ["through a link", "with dots", "a link as output"])
def test_the_output_is_known_however_it_is_named(tmp_path: Path, way: str) -> None:
    folder = tmp_path / "project"
    (folder / "lib").mkdir(parents=True)
    (tmp_path / "link").symlink_to(folder)
    (folder / "latest.csv").symlink_to("rows.csv")
    watched, output = {
        "through a link": (tmp_path / "link", folder / "rows.csv"),
        "with dots": (folder, folder / "lib" / ".." / "rows.csv"),
        "a link as output": (folder, folder / "latest.csv"),
    }[way]
    files = watch(watched, output=output)
    files.changes()
    (folder / "rows.csv").touch()
    (folder / ".fyke-abc.part").touch()
    (folder / "rows-pages-abc").mkdir()
    (folder / "rows-pages-abc" / "page-1.jpg").touch()
    assert files.changes() == []


def test_a_file_that_the_command_prints_to_starts_no_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    printed = tmp_path / "rows.jsonl"
    printed.touch()
    fstat = os.fstat
    monkeypatch.setattr(
        os, "fstat", lambda number: printed.stat() if number == 1 else fstat(number)
    )
    files = watch(tmp_path)
    files.changes()
    printed.write_text("{}")
    assert files.changes() == []


def test_a_file_that_changes_all_the_time_is_not_waited_for(tmp_path: Path) -> None:
    rounds: list[int] = []

    def go_on() -> None:
        rounds.append(len(rounds))
        assert len(rounds) <= MAX_ROUNDS
        (tmp_path / "main.py").write_text("x" * len(rounds))

    files = watch(tmp_path, while_settling=go_on)
    (tmp_path / "main.py").touch()
    assert files.changes() == ["main.py"]
    assert len(rounds) == MAX_ROUNDS


def test_the_end_of_the_watch_ends_the_wait(tmp_path: Path) -> None:
    (tmp_path / "main.py").touch()
    assert watch(tmp_path, while_settling=lambda: True).changes() == []


def test_a_save_is_reported_when_it_is_complete(tmp_path: Path) -> None:
    steps = iter(["12", "123"])

    def go_on() -> None:
        text = next(steps, "")
        if text:
            (tmp_path / "main.py").write_text(text)
            (tmp_path / f"{text}.py").touch()

    files = watch(tmp_path, while_settling=go_on)
    (tmp_path / "main.py").write_text("1")
    assert files.changes() == ["12.py", "123.py", "main.py"]
    assert files.changes() == []


def test_looking_at_many_files_takes_a_small_part_of_the_time(tmp_path: Path) -> None:
    times = iter([10.0, 10.2])
    files = FileWatch(tmp_path, clock=lambda: next(times), wait=lambda _: False)
    files.changes()
    assert round(files.pause, 6) == 2.0
