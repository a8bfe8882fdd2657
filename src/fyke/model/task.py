"""A task: a saved input."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Task:
    """A saved input for a worker; ``input_json`` is the whole ``input`` object as JSON text.

    ``run_times`` counts all runs started from it, ``last_run_id`` is the newest; deleting runs
    changes neither.
    """

    id: str
    account_id: str
    worker_id: str
    title: str
    version: str  # "" = the newest when it runs
    input_json: str
    created_at: int
    updated_at: int
    description: str = ""
    run_times: int = 0
    last_run_id: str = ""  # "" = it has not run
    revision: int = 0  # increases with every change by a user


@dataclass(frozen=True, slots=True)
class NamedTasks:
    """How many tasks there are of a kind, and the titles of the newest by id, in that order."""

    total: int
    titles: dict[str, str]
