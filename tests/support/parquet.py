"""Reads Parquet files with a library that is not ours."""

from __future__ import annotations

import io
import re
from typing import Any

from arro3.io import read_parquet

_NAME = re.compile(r"<(\w+)>")
_TYPES = {"Int64": int, "Float64": float, "Boolean": bool, "Utf8": str}


def read_table(data: bytes) -> tuple[dict[str, type], list[dict[str, Any]]]:
    """The types of the columns, and the rows."""
    table = read_parquet(io.BytesIO(data)).read_all()
    types = {field.name: _TYPES[_NAME.findall(str(field.type))[0]] for field in table.schema}
    columns = [[value.as_py() for value in column] for column in table.columns]
    return types, [dict(zip(types, row, strict=True)) for row in zip(*columns, strict=True)]
