"""Finds rows that a Worker wrote to files instead of pushing them.

Programs for other platforms write rows to a folder ``storage`` (Apify, crawlee) or to a feed
(Scrapy). Every step is relative to an open descriptor and follows no link, because the Worker
controls the content of the folder.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

MAX_FOUND = 5
_MAX_ENTRIES = 1_000  # of one folder
_MAX_DATASETS = 10
_MIN_BYTES = 9  # an empty list of Scrapy has 4
_STORAGES = ("storage", "apify_storage")
_FOLDERS = (".", "data", "output", "results")
_SUFFIXES = (".csv", ".json", ".jsonl", ".jl", ".jsonlines", ".ndjson", ".xml", ".xlsx")

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def find_result_files(work: int, bundle: Path | None) -> list[str]:
    """Describe up to five places below the folder ``work``, an open descriptor. Files that the
    project has itself, in ``bundle``, do not count.
    """
    return list(islice(_found(work, bundle), MAX_FOUND))


def _found(work: int, bundle: Path | None) -> Iterator[str]:
    for storage in _STORAGES:
        with _opened(work, storage) as top, _opened(top, "datasets") as datasets:
            for name in _names(datasets)[:_MAX_DATASETS]:
                with _opened(datasets, name) as dataset:
                    names = _names(dataset)
                    count = sum(1 for item in names if _is_item(dataset, item))
                if count:
                    at_least = "at least " if len(names) == _MAX_ENTRIES else ""
                    yield f"{storage}/datasets/{_shown(name)} ({at_least}{count} files)"
    for folder in _FOLDERS:
        with _opened(work, folder) as files:
            for name in _names(files):
                path = name if folder == "." else f"{folder}/{name}"
                own = bundle is not None and (bundle / path).exists()
                if name.lower().endswith(_SUFFIXES) and not own and _is_filled(files, name):
                    yield _shown(path)


@contextlib.contextmanager
def _opened(parent: int | None, name: str) -> Iterator[int | None]:
    """The descriptor of a subfolder, None when there is none."""
    folder = None
    if parent is not None:
        with contextlib.suppress(OSError):
            folder = os.open(name, _FOLDER, dir_fd=parent)
    try:
        yield folder
    finally:
        if folder is not None:
            os.close(folder)


def _names(folder: int | None) -> list[str]:
    if folder is None:
        return []
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        return sorted(entry.name for entry in islice(entries, _MAX_ENTRIES))
    return []


def _is_item(folder: int | None, name: str) -> bool:
    is_metadata = name.startswith("__")
    return name.endswith(".json") and not is_metadata and _is_filled(folder, name, 1)


def _is_filled(folder: int | None, name: str, min_bytes: int = _MIN_BYTES) -> bool:
    with contextlib.suppress(OSError):
        info = os.stat(name, dir_fd=folder, follow_symlinks=False)
        return stat.S_ISREG(info.st_mode) and info.st_size >= min_bytes
    return False


def _shown(name: str) -> str:
    """The name in printable characters; not shortened, so that secrets in it can be masked."""
    return "".join(letter if letter.isprintable() else "?" for letter in name)
