"""The example inputs of a project."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import pytest

from fyke.domain.workers.archive import open_archive
from fyke.domain.workers.examples import ExampleInput, read_examples
from fyke.errors import InvalidRequest

SCHEMA = {
    "properties": [
        {"name": "urls", "type": "array", "default": [{"url": "u"}]},
        {"name": "depth", "type": "integer", "default": 0},
        {"name": "note", "type": "string", "default": None},
        {"name": "query", "type": "string"},
    ]
}


def examples(**files: Any) -> list[ExampleInput]:
    """Of a project with these examples; a value that is not bytes is written as JSON."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("main.py", "")
        archive.writestr("input_schema.json", json.dumps(SCHEMA))
        for name, content in files.items():
            data = content if isinstance(content, bytes) else json.dumps(content)
            archive.writestr(name, data)
    with open_archive(buffer.getvalue()) as project:
        return read_examples(project)


def test_each_file_is_an_example_in_order_of_the_names() -> None:
    system = {"memory": 1024}
    whole = {"parameters": {"system": system, "custom": {"query": "b"}}}
    files = {"examples/two.json": whole, "examples/one.json": b'\xef\xbb\xbf{"query": "a"}'}
    others = {"examples/README.md": b"", "examples/rows/one.json": b"[]", "one.json": b"[]"}
    assert examples(**files, **others) == [
        ExampleInput("one", {"query": "a"}, {}),
        ExampleInput("two", {"query": "b"}, system),
    ]


def test_without_files_the_defaults_of_the_fields_are_the_example() -> None:
    assert examples() == [ExampleInput("defaults", {"urls": [{"url": "u"}], "depth": 0}, {})]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"a": }', "examples/a.json is not valid JSON: line 1: "),
        (b"\xff", "examples/a.json is not valid JSON: line 1: byte 0 is not UTF-8"),
        (["a"], "examples/a.json: must be a JSON object"),
        ({"parameters": {"custom": []}}, "examples/a.json: custom and system in parameters must"),
    ],
)
def test_an_unusable_file_is_named(content: Any, message: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        examples(**{"examples/a.json": content})
    assert str(caught.value).startswith(message)
