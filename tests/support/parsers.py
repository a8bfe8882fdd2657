"""Every parser of untrusted text in the server, with texts that grow.

A ``Parser`` reads a text of at most ``limit`` characters. Its ``documents`` make whole documents of
about a given size: documents that have served for attacks, and others with one long part.
``PIECES`` are repeated to make texts without any structure.
"""

from __future__ import annotations

import contextlib
import io
import json
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from fyke.api.decode import MAX_INPUT_BYTES, parse_object
from fyke.api.network import limiter_key
from fyke.console.markdown import to_html
from fyke.domain.callbacks.url import receiver_of
from fyke.domain.catalog.nearest import nearest
from fyke.domain.forms import dates, jsonview, tables, workbook
from fyke.domain.forms.describe import describe
from fyke.domain.forms.importing import ImportChoice, import_file
from fyke.domain.forms.normalise import FormPairs, JsonText, normalise
from fyke.domain.logs import ansi
from fyke.domain.logs import text as log_text
from fyke.domain.results.query.model import parse_filter
from fyke.domain.results.rows import decode_row
from fyke.domain.runs.hidden_input import masker_of
from fyke.domain.runs.split import split
from fyke.domain.runs.summary import summarise
from fyke.domain.workers import (
    dependency_findings,
    input_findings,
    input_schema,
    output_schema,
    project_file,
    requirements,
    sdk_usage,
)
from fyke.domain.workers.compare import diff_lines
from fyke.domain.workers.python_source import inspect_source
from fyke.domain.workers.readme import first_heading, first_paragraph
from fyke.domain.workers.schema_changes import schema_changes
from fyke.domain.workers.secret_inputs import MAX_VALUES, hide_named
from fyke.errors import FykeError
from fyke.git.address import parse_repository
from fyke.kit.markdown import MAX_CHARS, render
from fyke.kit.pictures import BadPicture, read_picture
from fyke.model.worker import Language
from fyke.notify.response import response_start

PIECES = (
    "a",
    " ",
    "\n",
    "1",
    "-",
    "[",
    "[a](",
    "{",
    "<",
    "<h1>",
    "<!--",
    "`",
    "*a",
    "_a_",
    "|a",
    "- a\n",
    ">",
    "#",
    "&",
    "\\",
    '"',
    "'",
    ",",
    ":",
    ";",
    "=",
    "(",
    "a.",
    "a/",
    "@",
    "\x1b[",
    "\r",
    "https://a.b/ ",
    "😀",
)

Document = Callable[[int], Any]


@dataclass(frozen=True, slots=True)
class Parser:
    """``documents``: functions by name, which make an input of about so many characters.
    ``pieces``: whether the parser also gets texts without structure.
    """

    read: Callable[[Any], object]
    limit: int
    documents: Mapping[str, Document] = field(default_factory=dict)
    pieces: bool = True

    def __call__(self, text: Any) -> None:
        """Read a text; the parser may refuse it."""
        with contextlib.suppress(FykeError, ValueError, msgspec.MsgspecError, BadPicture):
            self.read(text)


def _repeated(head: str, piece: str, tail: str = "") -> Document:
    return lambda size: head + piece * ((size - len(head) - len(tail)) // len(piece)) + tail


def _listed(head: str, item: Callable[[int], str], tail: str) -> Document:
    """A document with as many different items as fit."""

    def make(size: int) -> str:
        count = max(1, (size - len(head) - len(tail)) // (len(item(100_000)) + 1))
        return head + ",".join(map(item, range(count))) + tail

    return make


def _bytes(document: Document) -> Document:
    return lambda size: document(size).encode()


# --- schemas -----------------------------------------------------------------------------------


def _schema(**members: Any) -> Callable[[int], str]:
    return lambda number: json.dumps({"name": f"f{number}", "type": "string", **members})


_PROPERTIES = '{"properties":['
_DATE = _schema(editor="datepicker", format="MDHms" * 8, valueFormat="YYYY-MM-DD", default="1" * 40)
_LIMIT = json.dumps(
    {"field": "f", "max": 1, "regex": "(?i)" + "[\\x02-\U0010fffe]" * 60}, ensure_ascii=False
)


def _options(number: int) -> str:
    return json.dumps({"label": f"l{number}", "value": number})


SCHEMAS: dict[str, Document] = {
    "dates": _listed(_PROPERTIES, _DATE, "]}"),
    "long format": lambda size: (
        f"{_PROPERTIES}{_schema(editor='datepicker', format='MDHms' * (size // 5))(1)}]}}"
    ),
    "fields": _listed(_PROPERTIES, _schema(editor="input", title="T"), "]}"),
    "equal fields": _repeated(_PROPERTIES, '{"name":"f"},', '{"name":"f"}]}'),
    "options": _listed(
        _PROPERTIES + '{"name":"f","type":"string","editor":"select","default":"x","options":[',
        _options,
        "]}]}",
    ),
    "params": _listed(
        _PROPERTIES
        + '{"name":"f","type":"array","editor":"requestListSource","default":['
        + ",".join(['{"p1":1}'] * 200)
        + '],"param_list":[',
        lambda number: f'{{"param":"p{number}","type":"string"}}',
        "]}]}",
    ),
    "expressions": _listed(
        _PROPERTIES + '{"name":"f","type":"array"}],"concurrency":{"fields":["f"],"limits":[',
        lambda number: _LIMIT,
        "]}}",
    ),
    "split fields": _listed(
        '{"properties":[],"concurrency":{"fields":[', lambda n: f'"f{n}"', "]}}"
    ),
    "root keys": _listed('{"properties":[],', lambda number: f'"k{number}":1', "}"),
    "deep": lambda size: '{"properties":' + "[" * (size // 2) + "]" * (size // 2) + "}",
    "digits": _repeated('{"properties":', "9", "}"),
    "escapes": _repeated('{"properties":"', "\\u00e9", '"}'),
}
COLUMNS: dict[str, Document] = {
    "columns": _listed("[", lambda n: f'{{"name":"c{n}","type":"string"}}', "]"),
    "equal columns": _repeated("[", '{"name":"c"},', '{"name":"c"}]'),
}

# --- projects ----------------------------------------------------------------------------------

READMES: dict[str, Document] = {
    "wide table": lambda size: _table(min(1000, size // 8), size // 2) + "[" * (size // 2),
    "narrow table": lambda size: _table(5, size),
    "html headings": _repeated("", "<h1 a>b</h2>\n\n"),
    "open tags": _repeated("", "<b id=1><p>"),
    "references": _repeated("", "[a]: b\n[a]\n\n"),
    "nested lists": lambda size: "".join(f"{' ' * (n % 40)}- a\n" for n in range(size // 24))[
        :size
    ],
    "emphasis": _repeated("", "a**b_c*"),
    "front matter": _repeated("---\na: b\n", "c: d\n"),
    "comments": _repeated("", "<!-- a\n"),
}


def _table(columns: int, size: int) -> str:
    head = "|" + "a|" * columns + "\n|" + "-|" * columns + "\n"
    return head + "a\n" * max(0, (size - len(head)) // 2)


def _lock(size: int) -> str:
    packages = {
        f"node_modules/a{n}": {"version": "1", "dependencies": {f"b{n}": "1"}}
        for n in range(size // 70)
    }
    return json.dumps({"packages": {"": {"dependencies": {"a1": "1"}}, **packages}})


def _read_lock(text: str) -> None:
    lock = dependency_findings.read_lock(text)
    sections = {"dependencies": {"a1": "2"}}
    dependency_findings.stale_lock("package-lock.json", lock, sections)
    dependency_findings.node_imports([("main.js", text[:65_536])], sections, lock)


def _read_python(text: str) -> None:
    source = inspect_source(text.encode("utf-8", "replace"))
    imports = [("main.py", line, name) for name, line in source.imports]
    dependency_findings.python_imports(imports, ["main.py"], ["requests"])


def _read_requirements(text: str) -> None:
    names = [item.name for item in requirements.parse(text)]
    dependency_findings.python_imports([("main.py", 1, f"m{n}") for n in range(500)], [], names)


def _compare(text: str) -> None:
    half = len(text) // 2
    diff_lines(text[:half].split("\n")[:4000], text[half:].split("\n")[:4000])


def _lines(different: bool) -> Document:
    def make(size: int) -> str:
        count = size // 12
        old = [f"l{n}" for n in range(count)]
        new = [f"l{n if n % 3 or not different else -n}" for n in range(count)]
        return "\n".join([*old, *(reversed(new) if different else new)])

    return make


# --- inputs ------------------------------------------------------------------------------------

FORM = describe(
    json.dumps(
        {
            "properties": [
                {"name": "day", "type": "string", "editor": "datepicker", "format": "DD/MM/YYYY"},
                {"name": "urls", "type": "array", "editor": "requestList"},
                {
                    "name": "rows",
                    "type": "array",
                    "editor": "requestListSource",
                    "param_list": [
                        {
                            "param": "kind",
                            "type": "string",
                            "editor": "select",
                            "options": [{"label": f"l{n}", "value": n} for n in range(4000)],
                        },
                        {"param": "url", "type": "string"},
                    ],
                },
            ],
            "concurrency": {"fields": ["urls"]},
        }
    )
)


def _sheet(cell: str) -> Document:
    def make(size: int) -> bytes:
        rows = "".join(
            f"<row>{cell * 10}</row>" for _ in range(max(1, size // (10 * len(cell) + 11)))
        )
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as book:
            book.writestr(
                "xl/_rels/workbook.xml.rels",
                '<Relationships><Relationship Id="r1" Target="s.xml"/></Relationships>',
            )
            book.writestr(
                "xl/workbook.xml",
                '<workbook xmlns:r="r"><sheets><sheet name="a" r:id="r1"/></sheets></workbook>',
            )
            book.writestr("xl/s.xml", f"<worksheet><sheetData>{rows}</sheetData></worksheet>")
        return out.getvalue()

    return make


def _import(name: str) -> Callable[[Any], object]:
    field = FORM.fields["rows"]
    return lambda text: import_file(
        field, name, text if isinstance(text, bytes) else text.encode(), ImportChoice()
    )


def _form(size: int) -> list[tuple[str, str]]:
    return [(f"f:rows:{n // 2}.{'kind' if n % 2 else 'url'}", f"l{n}") for n in range(size // 20)]


def _start(text: str) -> None:
    custom = parse_object(text.encode(), ("input",))["input"]
    split(FORM.schema, custom)
    summarise(custom, {})


def _address(text: str) -> None:
    for read in (receiver_of, parse_repository, limiter_key):
        with contextlib.suppress(FykeError):
            read(text)


BODIES: dict[str, Document] = {
    "members": _listed('{"input":{', lambda number: f'"k{number}":1', "}}"),
    "other members": _listed("{", lambda number: f'"k{number}":1', "}"),
    "objects": _repeated('{"input":[', '{"b":1},', '{"b":1}]}'),
    "arrays": _repeated('{"input":[', "[" * 60 + "]" * 60 + ",", "[]]}"),
    "numbers": _repeated('{"input":[', "1,", "1]}"),
    "texts": _repeated('{"input":[', '"a",', '"a"]}'),
    "backslashes": _repeated('{"input":"', "\\\\", '"}'),
    "quotes": _repeated('{"input":"', '\\"[', '"}'),
    "digits": _repeated('{"input":', "9", "}"),
}
INPUTS: dict[str, Document] = {
    "urls": _listed('{"input":{"urls":[', lambda n: f'{{"url":"https://a.b/{n}"}}', "]}}"),
    "others": lambda size: '{"input":{"urls":[' + '"a",' * 999 + '"a"],"x":"' + "x" * size + '"}}',
}

PARSERS: dict[str, Parser] = {
    "markdown": Parser(to_html, MAX_CHARS, READMES),
    "markdown with html": Parser(lambda text: render(text, html=True), MAX_CHARS, READMES),
    "title": Parser(first_heading, 2**20, READMES),
    "description": Parser(lambda text: first_paragraph(text + " "), 2**20, READMES),
    "input schema": Parser(input_schema.parse, 500_000, SCHEMAS),
    "findings of an input schema": Parser(input_findings.check, 500_000, SCHEMAS),
    "form": Parser(describe, 500_000, SCHEMAS),
    "output schema": Parser(output_schema.check, 500_000, COLUMNS),
    "changes of schemas": Parser(
        lambda text: schema_changes((text, ""), (text + " ", "")), 500_000, SCHEMAS, pieces=False
    ),
    "project file": Parser(project_file.read, 65_536),
    "requirements": Parser(
        _read_requirements, 500_000, {"packages": _repeated("", "pack-age==1.0 # c\n")}
    ),
    "package.json": Parser(
        requirements.parse_package,
        500_000,
        {"packages": _listed('{"dependencies":{', lambda n: f'"p{n}":"^1.0"', "}}")},
    ),
    "lock file": Parser(_read_lock, 2**20, {"packages": _lock}),
    "Python": Parser(
        _read_python,
        256 * 1024,
        {
            "imports": _repeated("", "import a\n"),
            "blocks": _repeated("", "if 1:\n pass\n"),
            "sums": _repeated("a = 1", " + 1"),
        },
    ),
    "JavaScript": Parser(
        lambda text: dependency_findings.node_imports([("a.js", text)], {}, {}),
        65_536,
        {"imports": _repeated("", "import a from 'b'\n"), "open": _repeated("", "from '")},
    ),
    "use of the SDK": Parser(
        lambda text: [sdk_usage.sdk_findings(item, "a", [text]) for item in Language], 65_536
    ),
    "comparison": Parser(
        _compare,
        256 * 1024,
        {"equal lines": _repeated("", "a\n"), "moved lines": _lines(True), "lines": _lines(False)},
    ),
    "date": Parser(lambda text: dates.parse(text, ("MDHms" * 20)[:100]), 100_000),
    "format of a date": Parser(
        lambda text: dates.rule_of({"format": text}), 100_000, {"parts": _repeated("", "MDHms")}
    ),
    "JSON of a form": Parser(jsonview.read_json, 2 * 2**20, BODIES),
    "input as JSON": Parser(
        lambda text: normalise(FORM, JsonText(text)), 2**20, INPUTS, pieces=False
    ),
    "pairs of a form": Parser(
        lambda pairs: normalise(FORM, FormPairs(pairs)), 2**20, {"rows": _form}, pieces=False
    ),
    "pasted cells": Parser(tables.pasted, 5 * 2**20, {"rows": _repeated("", "a\tb\n")}),
    "CSV": Parser(
        _import("a.csv"),
        2**20,
        {
            "rows": _bytes(_repeated("kind,url\n", "l1,https://a.b\n")),
            "quotes": _bytes(_repeated("", '"a""b",')),
        },
    ),
    "workbook": Parser(
        workbook.read_workbook,
        4 * 2**20,
        {
            "numbers": _sheet("<c><v>1</v></c>"),
            "texts": _sheet('<c t="inlineStr"><is><t>a_x000D_</t></is></c>'),
            "empty cells": _sheet("<c/>"),
            "attributes": _sheet("<c " + " ".join(f'a{n}="1"' for n in range(50)) + "/>"),
        },
        pieces=False,
    ),
    "body": Parser(
        lambda text: parse_object(
            text if isinstance(text, bytes) else text.encode("utf-8", "replace"), ("input", "n")
        ),
        MAX_INPUT_BYTES // 4,
        BODIES,
    ),
    "start": Parser(_start, 2**20, INPUTS, pieces=False),
    "secrets of an input": Parser(
        lambda text: hide_named(json.dumps({"a": text}), frozenset({"b"})),
        2**20,
        {
            "addresses": _repeated("", "://a:b@"),
            "parameters": _repeated("?", "&token=a"),
            "headers": _repeated("", "x-key-auth"),
            "members": _repeated("", '"token":'),
            "escaped members": _repeated("", '\\"token\\":\\"'),
            "objects": _repeated("", '{"a":1}'),
            "objects in objects": _repeated("", '{"a":'),
            "broken objects": _repeated("", '{"'),
        },
    ),
    "text without secrets": Parser(
        masker_of({f"n{n}": f'<p@ss "w{n}/x' for n in range(MAX_VALUES)}).text,
        256 * 1024,
        {
            "escaped again": _repeated(
                "".join(f"%253Cp%2540ss%2520%2522w{n}%252Fx" for n in range(MAX_VALUES)), "%25"
            ),
            "found": _repeated("", '<p@ss "w7/x'),
        },
    ),
    "head of a picture": Parser(
        lambda text: read_picture(b"\xff\xd8\xff" + text.encode("latin-1", "replace")),
        2**20,
        {"segments": _repeated("\xe0\0\x02", "\xff\xe0\0\x02")},
    ),
    "row": Parser(lambda text: decode_row(text.encode()), 2**20, BODIES),
    "filter of rows": Parser(parse_filter, 65_536, {"operators": _repeated("", "a:eq")}),
    "log": Parser(log_text.clean, 2**20),
    "log with colours": Parser(ansi.spans, 256 * 1024, {"codes": _repeated("", "\x1b[1;31ma")}),
    "search": Parser(lambda text: nearest(text, [("a", text[:200])] * 100), 65_536),
    "addresses": Parser(_address, 65_536, {"labels": _repeated("https://", "a.", "b/")}),
    "response of a receiver": Parser(
        lambda text: response_start(text.encode(), text.encode()), 65_536
    ),
}

# The documents that have served for attacks, which the ordinary suite tries.
FIRST = (
    ("input schema", "dates"),
    ("form", "dates"),
    ("format of a date", "parts"),
    ("findings of an input schema", "expressions"),
    ("markdown", "wide table"),
    ("title", "[a]("),
    ("body", "members"),
    ("body", "other members"),
    ("body", "objects"),
    ("body", "arrays"),
    ("pairs of a form", "rows"),
    ("CSV", "rows"),
    ("comparison", "moved lines"),
    ("workbook", "numbers"),
)
