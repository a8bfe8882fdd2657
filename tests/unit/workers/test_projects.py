"""The projects of the shipped Workers: no findings, and files that several have are the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from fyke.domain.workers.archive import pack
from fyke.domain.workers.project import read_project

WORKERS = Path(__file__).parents[3] / "workers"
SHARED = ("devtools.py", "fields.py")
SDK = WORKERS.parent / "sdk" / "python"


@pytest.mark.parametrize("name", SHARED)
def test_the_file_is_the_same_in_every_worker(name: str) -> None:
    contents = {path.parent.name: path.read_bytes() for path in WORKERS.glob(f"*/{name}")}
    assert len(contents) > 1
    assert len(set(contents.values())) == 1, f"copy {name} to the other Workers"


@pytest.mark.parametrize("name", ["sdk.py", "sdk_pb2.py", "sdk_pb2_grpc.py"])
def test_the_sdk_is_that_of_this_version(name: str) -> None:
    copies = list(WORKERS.glob(f"*/{name}"))
    assert len(copies) == len(list(WORKERS.iterdir()))
    assert {copy.read_bytes() for copy in copies} == {(SDK / name).read_bytes()}


@pytest.mark.parametrize("name", [folder.name for folder in sorted(WORKERS.iterdir())])
def test_a_publication_has_no_warnings(name: str) -> None:
    findings = read_project(pack(WORKERS / name)).findings
    assert [finding for finding in findings if finding.severity != "info"] == []
