"""A task: a saved input."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Task:
    """A saved input for a worker; ``input_json`` is the whole ``input`` object as JSON text."""

    id: str
    account_id: str
    worker_id: str
    title: str
    version: str  # "" = the newest at the time of the run
    input_json: str
    created_at: int
    updated_at: int
