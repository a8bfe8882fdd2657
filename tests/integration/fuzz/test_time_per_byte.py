"""The processor time of every parser of untrusted text grows at most linearly.

Each text is doubled until the limit of its parser. When three doublings, eight times the text, take
more than 32 times as long, the time does not grow linearly: a quadratic parser takes 64 times as
long. Texts that take no measurable time are not compared.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from typing import Any

import pytest

from support.parsers import FIRST, PARSERS, PIECES, Document, Parser

START = 64  # characters
MEASURABLE = 0.1  # seconds
MOST = 32.0
COLLECTED = 0.01  # seconds


def _cases() -> Iterator[Any]:
    for name, parser in PARSERS.items():
        documents: dict[str, Document] = dict(parser.documents)
        if parser.pieces:
            documents |= {
                piece: lambda size, piece=piece: (piece * (size // len(piece) + 1))[:size]  # type: ignore[misc]
                for piece in PIECES
            }
        for kind, document in documents.items():
            mark = pytest.mark.slow if (name, kind) in FIRST else pytest.mark.long
            yield pytest.param(parser, document, marks=mark, id=f"{name}-{kind!a}")


@pytest.mark.parametrize(("parser", "document"), list(_cases()))
def test_time_grows_at_most_linearly(parser: Parser, document: Document) -> None:
    gc.collect()
    times: list[float] = []
    size = START
    while size <= parser.limit:
        times.append(_seconds(parser, document(size)))
        if len(times) > 3 and _grows_too_fast(times[-4], times[-1]):
            # measure again, because another process may have disturbed the first measurement
            before = max(times[-4], _seconds(parser, document(size // 8)))
            after = min(times[-1], _seconds(parser, document(size)))
            assert not _grows_too_fast(before, after), f"{size} characters: {times}"
        size *= 2


def _grows_too_fast(before: float, after: float) -> bool:
    """Whether the time grew too much while the text grew eightfold."""
    return after > MEASURABLE and after > MOST * max(before, MEASURABLE / MOST)


def _seconds(parser: Parser, text: Any) -> float:
    started = time.process_time()
    parser(text)
    taken = time.process_time() - started
    if taken > COLLECTED:  # what a text leaves behind must not be collected while another is read
        gc.collect()
    return taken


def test_the_first_texts_of_the_ordinary_suite_exist() -> None:
    known = {
        (name, kind)
        for name, parser in PARSERS.items()
        for kind in (*parser.documents, *(PIECES if parser.pieces else ()))
    }
    assert set(FIRST) <= known
