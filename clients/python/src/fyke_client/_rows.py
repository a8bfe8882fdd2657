"""Rows as dictionaries and data frames."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypedDict

import msgspec

if TYPE_CHECKING:
    import pandas
    import polars

ROW_ID = "__coreclaw_data_id__"


class RowSelection(TypedDict, total=False):
    """Which rows are read and their form, as in ``rows`` of the client."""

    fields: Sequence[str]
    sort: str
    filter: Sequence[str]
    clean: bool
    flatten: bool
    failed_rows: bool


class ExportSelection(RowSelection, total=False):
    """What a file of rows contains, as in ``export`` of the client."""

    safe: bool
    bom: bool


def exported(selection: ExportSelection) -> dict[str, Any]:
    """As members of ``types.v1.Export``."""
    given: dict[str, Any] = {**selection}
    return given | {name: tuple(given[name]) for name in ("fields", "filter") if name in given}


def row_of(text: msgspec.Raw) -> dict[str, Any]:
    """A row without its id. Integers keep all digits; other numbers are floats."""
    return without_id(msgspec.json.decode(text))


def without_id(row: dict[str, Any]) -> dict[str, Any]:
    row.pop(ROW_ID, None)
    return row


def pandas_frame(rows: list[dict[str, Any]]) -> pandas.DataFrame:
    return optional("pandas").DataFrame(rows)


def polars_frame(rows: list[dict[str, Any]]) -> polars.DataFrame:
    """A column whose rows have several types becomes text or objects, as polars decides."""
    return optional("polars").DataFrame(rows, infer_schema_length=None, strict=False)


def optional(name: str) -> Any:
    """A package that not every program needs. Raises ``ImportError`` with the remedy."""
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        raise ImportError(
            f"{name} is not installed in this environment; it is the extra {name} of the client"
        ) from error
