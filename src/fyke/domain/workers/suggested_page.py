"""The page that a project suggests for its worker, which its owner may have edited since."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from fyke.domain.workers.input_schema import parse
from fyke.domain.workers.readme import first_heading, first_paragraph, one_line
from fyke.errors import InvalidRequest
from fyke.model.worker import Project, Version, VersionState, Worker, WorkerPage

_MAX_SCHEMA = 200_000  # characters that are parsed in a transaction, in a few milliseconds


def suggested_title(readme: str) -> str:
    return first_heading(readme)


def suggested_description(readme: str, input_schema: str) -> str:
    return one_line(parse(input_schema).description) or first_paragraph(readme)


def page_after(worker: Worker, project: Project, versions: Sequence[Version]) -> WorkerPage:
    """Return the page of a worker after a publication. ``versions``: the earlier, newest first.

    A title or description that differs from what its newest and its current version suggest was
    edited by hand, and stays.
    """
    page = worker.page
    published = [item for item in versions if item.state is not VersionState.DRAFT]
    known = published[:1] + [item for item in published[1:] if item.number == worker.latest]
    if project.title and project.title != page.title:
        titles = [suggested_title(version.readme) for version in known] or [page.title]
        if page.title in (worker.name, *titles):
            page = replace(page, title=project.title)
    is_suggested = (
        not page.description
        or not known
        or page.description in [_description(version) for version in known]
    )
    if project.description and is_suggested:
        page = replace(page, description=project.description)
    return page


def _description(version: Version) -> str | None:
    """What a version suggested; None if its schema is too long, or broken by today's rules."""
    if len(version.input_schema) > _MAX_SCHEMA:
        return None
    try:
        return suggested_description(version.readme, version.input_schema)
    except InvalidRequest:
        return None
