"""A run as a row and back: its limits are columns of their own, its exceptions a JSON list."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

import msgspec
from sqlalchemy import Connection, select

from fyke.model.run import Run, RunLimits
from fyke.storage.sql.records import columns
from fyke.storage.sql.tables import runs

_LIMITS = tuple(field.name for field in fields(RunLimits))


def run_of(row: Mapping[Any, Any]) -> Run:
    values = {str(name): value for name, value in row.items()}
    values["limits"] = {name: values[name] for name in _LIMITS}
    allow = values["egress_allow"]
    values["egress_allow"] = () if allow == "[]" else json.loads(allow)
    return msgspec.convert(values, Run, strict=False)


def run_columns(run: Run) -> dict[str, Any]:
    values = columns(run)
    values |= values.pop("limits")
    values["egress_allow"] = json.dumps(values["egress_allow"])
    return values


def runs_by_id(connection: Connection, ids: Iterable[str]) -> dict[str, Run]:
    """Return the runs that exist among ``ids``."""
    found = connection.execute(select(runs).where(runs.c.id.in_(sorted(ids)))).mappings()
    return {row["id"]: run_of(row) for row in found}
