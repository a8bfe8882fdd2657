"""The page that a project suggests for its worker, which its owner may have edited since.

What earlier versions suggested is read from the README and the schema of a stranger, which takes
processor time. So a ``ParserPool`` does that before the transaction of a publication.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from fyke.contracts.parsing import ParserPool
from fyke.domain.workers.input_schema import parse
from fyke.domain.workers.readme import first_heading, first_paragraph, one_line
from fyke.errors import InvalidRequest, TooComplex
from fyke.model.worker import Project, Version, VersionState, Worker, WorkerPage


@dataclass(frozen=True, slots=True)
class Suggestion:
    """What a version suggested; None is unknown."""

    version_id: str = ""
    title: str | None = None
    description: str | None = None


def suggested_title(readme: str) -> str:
    return first_heading(readme)


def suggested_description(readme: str, input_schema: str) -> str:
    return one_line(parse(input_schema).description) or first_paragraph(readme)


def suggestion_of(version_id: str, readme: str, input_schema: str) -> Suggestion:
    """What a version suggests, for a ``ParserPool``. The description is unknown if its schema is
    broken by today's rules.
    """
    title = suggested_title(readme)
    try:
        return Suggestion(version_id, title, suggested_description(readme, input_schema))
    except InvalidRequest:
        return Suggestion(version_id, title)


async def read_suggestions(
    parsers: ParserPool, account_id: str, versions: Iterable[Version]
) -> tuple[Suggestion, ...]:
    """What versions suggested, without those that take too long to read."""
    found = []
    for version in versions:
        texts = version.id, version.readme, version.input_schema
        with contextlib.suppress(TooComplex):
            found.append(await parsers.run(account_id, suggestion_of, *texts))
    return tuple(found)


def suggesting(worker: Worker, versions: Sequence[Version]) -> list[Version]:
    """The newest published version and the current one. ``versions``: newest first."""
    published = [item for item in versions if item.state is not VersionState.DRAFT]
    return published[:1] + [item for item in published[1:] if item.number == worker.latest]


def depends_on_earlier(worker: Worker, project: Project) -> bool:
    """Whether the page after a publication depends on what earlier versions suggested."""
    page = worker.page
    by_title = bool(project.title) and page.title not in (project.title, worker.name)
    by_description = bool(project.description) and page.description not in (
        project.description,
        "",
    )
    return by_title or by_description


def page_after(
    worker: Worker,
    project: Project | Suggestion,
    versions: Sequence[Version],
    suggested: Iterable[Suggestion],
) -> WorkerPage:
    """Return the page of a worker after the publication of ``project``, or after a version became
    the current one that made the suggestion ``project``. ``versions``: those before, newest first;
    ``suggested``: what those of ``suggesting`` did.

    A title or description that differs from what its newest and its current version suggested was
    edited by hand, and stays; so it does when that is unknown, or when another version was
    published meanwhile.
    """
    page = worker.page
    first = not any(item.state is not VersionState.DRAFT for item in versions)
    ids = {version.id for version in suggesting(worker, versions)}
    known = [item for item in suggested if item.version_id in ids]
    titles = [worker.name, *(item.title for item in known)]
    descriptions = ["", *(item.description for item in known)]
    if project.title and (first or page.title in titles):
        page = replace(page, title=project.title)
    if project.description and (first or page.description in descriptions):
        page = replace(page, description=project.description)
    return page
