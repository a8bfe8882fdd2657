"""Rows in files that a Worker left."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from fyke.sandbox.process.result_files import find_result_files

ROW = '{"title": "A"}\n'


@pytest.fixture
def work(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


def write(folder: Path, name: str, text: str = ROW) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def found(work: Path, bundle: Path | None = None) -> list[str]:
    descriptor = os.open(work, os.O_RDONLY | os.O_DIRECTORY)
    try:
        return find_result_files(descriptor, bundle)
    finally:
        os.close(descriptor)


def test_a_storage_of_apify_and_feeds_are_found(work: Path) -> None:
    for number in range(3):
        write(work, f"storage/datasets/default/00000000{number}.json")
    write(work, "storage/datasets/default/__metadata__.json")
    write(work, "storage/datasets/empty/__metadata__.json")
    write(work, "storage/key_value_stores/default/INPUT.json")
    write(work, "items.jl")
    write(work, "output/pages.CSV", "title,price\nA,1\n")
    write(work, "notes.txt")
    assert found(work) == ["storage/datasets/default (3 files)", "items.jl", "output/pages.CSV"]


def test_files_of_the_project_and_empty_ones_do_not_count(work: Path, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle"
    for folder in (bundle, work):
        write(folder, "input_schema.json")
        write(folder, "data/cities.csv")
    write(work, "items.json", "[\n\n]")
    write(work, "feed.csv", "")
    assert found(work, bundle) == []
    write(work, "data/prices.csv")
    assert found(work, bundle) == ["data/prices.csv"]


def test_links_are_not_followed(work: Path, tmp_path: Path) -> None:
    write(tmp_path / "outside", "datasets/default/1.json")
    write(tmp_path / "outside", "rows.json")
    (work / "storage").symlink_to(tmp_path / "outside")
    (work / "output").symlink_to(tmp_path / "outside")
    (work / "rows.json").symlink_to(tmp_path / "outside" / "rows.json")
    (work / "pipe.json").mkdir()
    os.mkfifo(work / "feed.json")
    assert found(work) == []


def test_the_answer_is_short_whatever_the_names_are(work: Path) -> None:
    for number in range(20):
        write(work, f"{number:02}\n\x1b{'x' * 200}.json")
    places = found(work)
    assert len(places) == 5 and max(map(len, places)) <= 255
    assert all(place.isprintable() for place in places)


def test_only_so_many_entries_are_looked_at(work: Path) -> None:
    for number in range(1_100):
        write(work, f"storage/datasets/default/{number}.json")
    assert found(work) == ["storage/datasets/default (at least 1000 files)"]
