"""The names of environments."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fyke.model.node import ENVIRONMENT_NAME_LENGTH, RunnableVersion, environment_name
from fyke.model.worker import Language
from support.records import version

PYTHON = replace(
    RunnableVersion.of(version("W")), language=Language.PYTHON, requirements="requests==2.32.3\n"
)
NODE = replace(PYTHON, language=Language.NODE, requirements="")


def test_versions_with_the_same_dependencies_have_the_same_name() -> None:
    name = environment_name("A", PYTHON)
    assert len(name) == ENVIRONMENT_NAME_LENGTH and set(name) <= set("0123456789abcdef")
    again = replace(PYTHON, id="V2", worker_id="W2", number="2.0.0", digest="f" * 64)
    assert environment_name("A", again) == name
    assert environment_name("A", replace(NODE, id="V2")) == environment_name("A", NODE)


@pytest.mark.parametrize(
    "other",
    [
        replace(PYTHON, requirements="requests==2.32.4\n"),
        replace(PYTHON, builds=True),
        replace(NODE, digest="f" * 64),
        NODE,
    ],
)
def test_other_dependencies_have_other_names(other: RunnableVersion) -> None:
    names = {environment_name("A", one) for one in (PYTHON, NODE) if one != other}
    assert environment_name("A", other) not in names
    assert environment_name("B", other) != environment_name("A", other)
