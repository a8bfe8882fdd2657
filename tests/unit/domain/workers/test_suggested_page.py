"""A title and description edited by hand stay when a version is published."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fyke.domain.workers.suggested_page import Suggestion, page_after, suggestion_of
from fyke.model.worker import Language, Project, Version, VersionState, Worker
from support import records

README = "# Old title\n\nOld description.\n"
PROJECT = Project(
    language=Language.PYTHON,
    bundle=b"",
    digest="",
    input_schema="{}",
    output_schema="",
    readme="",
    requirements="",
    title="New title",
    description="New description.",
)


SCHEMA = '{"properties": []}'


def a_worker(title: str, description: str) -> Worker:
    return records.worker("a", title=title, description=description)


def a_version(state: VersionState = VersionState.PUBLISHED, schema: str = SCHEMA) -> Version:
    return replace(records.version("w"), readme=README, input_schema=schema, state=state)


def of(version: Version) -> Suggestion:
    return suggestion_of(version.id, version.readme, version.input_schema)


@pytest.mark.parametrize(
    ("title", "description", "expected"),
    [
        ("Old title", "Old description.", ("New title", "New description.")),
        ("By hand", "Old description.", ("By hand", "New description.")),
        ("Old title", "By hand.", ("New title", "By hand.")),
        ("Old title", "", ("New title", "New description.")),
    ],
)
def test_what_the_last_version_suggested_follows_the_next(
    title: str, description: str, expected: tuple[str, str]
) -> None:
    version = a_version()
    page = page_after(a_worker(title, description), PROJECT, [version], [of(version)])
    assert (page.title, page.description) == expected


def test_a_draft_has_suggested_nothing() -> None:
    draft = replace(a_version(VersionState.DRAFT), readme="# By hand\n\nBy hand.\n")
    version = a_version()
    worker = a_worker("By hand", "By hand.")
    page = page_after(worker, PROJECT, [draft, version], [of(version)])
    assert (page.title, page.description) == ("By hand", "By hand.")


def test_the_current_version_has_suggested_the_page_beside_a_newer_one() -> None:
    newer = replace(a_version(), number="1.0.1", readme="# Newer\n\nNewer text.\n")
    current = replace(a_version(), number="1.0.0")
    suggested = [of(newer), of(current)]
    worker = replace(a_worker("Old title", "Old description."), latest="1.0.0")
    page = page_after(worker, PROJECT, [newer, current], suggested)
    assert (page.title, page.description) == ("New title", "New description.")
    page = page_after(replace(worker, latest="1.0.1"), PROJECT, [newer, current], suggested)
    assert page == worker.page


def test_the_name_of_a_worker_is_no_title_of_its_own() -> None:
    worker = a_worker("", "x")
    page = page_after(replace(worker, title=worker.name), PROJECT, [], [])
    assert page.title == "New title"


def test_a_project_without_texts_changes_nothing() -> None:
    worker = a_worker("Old title", "Old description.")
    project = replace(PROJECT, title="", description="")
    version = a_version()
    assert page_after(worker, project, [version], [of(version)]) == worker.page


def test_a_description_stays_beside_a_schema_that_is_broken() -> None:
    version = a_version(schema="{}")
    page = page_after(a_worker("Old title", "Old description."), PROJECT, [version], [of(version)])
    assert (page.title, page.description) == ("New title", "Old description.")


def test_both_stay_when_it_is_unknown_what_the_newest_version_suggested() -> None:
    """It took too long to read, or was published after the one that was read."""
    worker, version, newer = a_worker("Old title", "Old description."), a_version(), a_version()
    for versions, suggested in (([version], []), ([newer, version], [of(version)])):
        assert page_after(worker, PROJECT, versions, suggested) == worker.page
