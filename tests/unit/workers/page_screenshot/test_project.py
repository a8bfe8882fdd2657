"""The files of the Worker: schemas and README."""

from __future__ import annotations

import json
from pathlib import Path

from fyke.domain.workers import input_findings, input_schema, output_schema

WORKER = Path(__file__).parents[4] / "workers" / "page-screenshot"


def test_schemas_have_no_findings() -> None:
    assert input_findings.check((WORKER / "input_schema.json").read_text()) == []
    assert output_schema.check((WORKER / "output_schema.json").read_text()) == []


def test_defaults_of_the_schema_equal_those_of_the_code() -> None:
    from screenshot.settings import Settings, read

    schema = json.loads((WORKER / "input_schema.json").read_text())
    defaults = {field["name"]: field["default"] for field in schema["properties"]}
    assert read(defaults) == Settings(urls=["https://example.com/"])
    assert read({"urls": defaults["urls"]}) == read(defaults)


def test_readme_names_every_field_and_column() -> None:
    readme = (WORKER / "README.md").read_text()
    schema = input_schema.parse((WORKER / "input_schema.json").read_text())
    columns = output_schema.headers((WORKER / "output_schema.json").read_text())
    for name in [*(field.name for field in schema.fields), *(column.key for column in columns)]:
        assert f"`{name}`" in readme
