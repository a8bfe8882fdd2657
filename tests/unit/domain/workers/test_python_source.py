"""Imports of a Python file."""

from __future__ import annotations

from fyke.domain.workers.python_source import inspect_source

SOURCE = b"""
from __future__ import annotations
import os, bs4.element
from lxml import html as parser
from . import own
from .pages import read
try:
    import orjson
except ImportError:
    import json as orjson
try:
    import simdjson
except (ValueError, ModuleNotFoundError):
    simdjson = None
try:
    import parsel
except KeyError:
    pass
if TYPE_CHECKING:
    import pandas
else:
    import polars
def later():
    with open("x") as file:
        import yaml
match x:
    case 1:
        import attr
text = "import nothing"
"""


def test_imports_that_must_succeed_are_listed_with_their_lines() -> None:
    assert inspect_source(SOURCE).imports == (
        ("__future__", 2),
        ("os", 3),
        ("bs4", 3),
        ("lxml", 4),
        ("parsel", 16),
        ("polars", 22),
        ("yaml", 25),
        ("attr", 28),
    )


def test_a_file_that_cannot_be_parsed_has_a_problem_and_no_imports() -> None:
    assert inspect_source(b"import a\nx = (\n").imports == ()
    assert inspect_source(b"import a\n\xff\n").line == 2
