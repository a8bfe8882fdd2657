"""Rows as data frames and documents. A test runs where its package is installed."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from fyke_client import RunFailed
from fyke_client._documents import texts_of
from fyke_client._rows import optional, pandas_frame, polars_frame

ROWS = [
    {"text": "one", "url": "https://a.example", "n": 1, "tags": ["x"]},
    {"text": "", "url": "https://b.example", "n": 2},
    {"text": "three", "url": None, "n": 2.5},
]


class Client:
    """A client with one ended run."""

    def __init__(self, status: str = "succeeded") -> None:
        self.status = status

    def wait(self, run: str) -> Any:
        return SimpleNamespace(slug=run, status_name=self.status, err_msg="gone")

    def rows(self, run: str) -> Iterator[dict[str, Any]]:
        yield from ROWS


def test_rows_with_a_text_become_texts_with_simple_metadata() -> None:
    found = list(texts_of(Client(), "R1", "text", None))  # type: ignore[arg-type]
    assert found == [
        ("one", {"fyke_run": "R1", "url": "https://a.example", "n": 1}),
        ("three", {"fyke_run": "R1", "url": None, "n": 2.5}),
    ]
    made = list(texts_of(Client(), "R1", lambda row: f"{row['n']}", ["n"]))  # type: ignore[arg-type]
    assert made[0] == ("1", {"fyke_run": "R1", "n": 1})


def test_a_failed_run_has_no_documents() -> None:
    with pytest.raises(RunFailed, match="run R1 is failed: gone"):
        list(texts_of(Client("failed"), "R1", "text", None))  # type: ignore[arg-type]


def test_a_missing_package_is_named_with_its_extra() -> None:
    with pytest.raises(ImportError, match="no_such_frames is not installed"):
        optional("no_such_frames")


def test_a_frame_of_pandas() -> None:
    pytest.importorskip("pandas")
    frame = pandas_frame([dict(row) for row in ROWS])
    assert (frame.shape, list(frame.columns)) == ((3, 4), ["text", "url", "n", "tags"])
    assert pandas_frame([]).empty


def test_a_frame_of_polars() -> None:
    pytest.importorskip("polars")
    frame = polars_frame([dict(row) for row in ROWS])
    assert (frame.shape, frame.columns) == ((3, 4), ["text", "url", "n", "tags"])
    assert frame["n"].to_list() == [1.0, 2.0, 2.5]
    assert polars_frame([]).is_empty()


def test_documents_of_langchain() -> None:
    pytest.importorskip("langchain_core")
    from fyke_client.langchain import FykeLoader

    first, second = FykeLoader("R1", "text", client=Client()).load()  # type: ignore[arg-type]
    assert (first.page_content, first.metadata["n"]) == ("one", 1)
    assert second.metadata == {"fyke_run": "R1", "url": None, "n": 2.5}


def test_documents_of_llama_index() -> None:
    pytest.importorskip("llama_index.core")
    from fyke_client.llama_index import FykeReader

    first, second = FykeReader(Client()).load_data("R1", "text", ["n"])  # type: ignore[arg-type]
    assert (first.text, first.metadata) == ("one", {"fyke_run": "R1", "n": 1})
    assert second.text == "three"
