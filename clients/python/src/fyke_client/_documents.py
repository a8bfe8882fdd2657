"""Rows as texts with metadata, for the loaders."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from fyke_client._sync.client import Fyke
from fyke_client.errors import RunFailed

Row = Mapping[str, Any]
Content = str | Callable[[Row], str]


def texts_of(
    fyke: Fyke, run: str, content: Content, metadata: Sequence[str] | None
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Wait for the end of ``run``; yield the text and the metadata of each row that has a text.

    ``content``: the field of the text, or a function of the row. ``metadata``: the fields to keep;
    None for all others whose values are text, numbers, booleans or null. Raises ``RunFailed``.
    """
    detail = fyke.wait(run)
    if detail.status_name != "succeeded":
        raise RunFailed(detail)
    for row in fyke.rows(run):
        text = content(row) if callable(content) else row.get(content)
        if text:
            yield str(text), {"fyke_run": run, **_metadata(row, content, metadata)}


def _metadata(row: Row, content: Content, names: Sequence[str] | None) -> dict[str, Any]:
    if names is not None:
        return {name: row[name] for name in names if name in row}
    return {
        name: value
        for name, value in row.items()
        if name != content and isinstance(value, str | int | float | None)
    }
