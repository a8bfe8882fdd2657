from __future__ import annotations

import io
import struct
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from fyke.domain.workers.archive import open_archive, pack
from fyke.domain.workers.elf import ARCHITECTURE
from fyke.domain.workers.project import (
    ProjectReader,
    check_folder,
    describe,
    read_project,
)
from fyke.domain.workers.python_source import inspect_source
from fyke.errors import InvalidRequest
from fyke.model.worker import BrowserNeed, Finding, Language

SCHEMA = '{"description": "", "properties": []}'
SDK = {"sdk.py": "", "sdk_pb2.py": "", "sdk_pb2_grpc.py": ""}
PYTHON = {
    "main.py": "from sdk import CoreSDK\nprint(1)\n",
    "input_schema.json": SCHEMA,
    "requirements.txt": "grpcio==1.80.0\n",
    "README.md": "# Hello *there*\n\nIt says hello.\nTwice.\n\nMore.\n",
    **SDK,
}


def elf(
    machine: int = 62 if ARCHITECTURE == "amd64" else 183,
    kind: int = 2,
    bits: int = 2,
    interpreter: bool = False,
) -> bytes:
    ident = b"\x7fELF" + bytes([bits, 1, 1]) + bytes(9)
    head = struct.pack(
        "<16sHHIQQQIHHHHHH", ident, kind, machine, 1, 0, 64, 0, 0, 64, 56, 2, 0, 0, 0
    )
    segments = struct.pack("<I52x", 1) + struct.pack("<I52x", 3 if interpreter else 1)
    return head + segments


def archive(files: dict[str, str | bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        for name, content in files.items():
            made.writestr(name, content)
    return out.getvalue()


def error_text(files: dict[str, str | bytes]) -> str:
    with pytest.raises(InvalidRequest) as caught:
        read_project(archive(files))
    return "\n".join([caught.value.message, *caught.value.details])


def codes(findings: list[Finding]) -> set[str]:
    return {finding.code for finding in findings}


def test_a_valid_python_project_is_read() -> None:
    project = read_project(archive(PYTHON))
    assert project.language == Language.PYTHON
    assert project.title == "Hello there"
    assert project.description == "It says hello. Twice."
    assert project.requirements == "grpcio==1.80.0\n"
    assert project.input_schema == SCHEMA
    assert project.output_schema == ""
    assert project.findings == []
    assert len(project.digest) == 64


def test_declarations_are_read_and_their_errors_prevent_publication() -> None:
    text = '{"egress": ["example.com"], "install": "build"}'
    project = read_project(archive(PYTHON | {"fyke.json": text}))
    assert (project.egress, project.builds) == (("example.com",), True)
    with pytest.raises(InvalidRequest, match="egress must be a list"):
        read_project(archive(PYTHON | {"fyke.json": '{"egress": 1}'}))


@pytest.mark.parametrize(
    ("declared", "need", "code"),
    [
        ("", BrowserNeed.OPTIONAL, "browser_detected"),
        ("required", BrowserNeed.REQUIRED, None),
        ("optional", BrowserNeed.OPTIONAL, None),
        ("none", BrowserNeed.NONE, "browser_refused"),
    ],
)
def test_the_need_of_a_browser_is_declared_or_detected(
    tmp_path: Path, declared: str, need: BrowserNeed, code: str | None
) -> None:
    files = PYTHON | {"requirements.txt": "grpcio==1.80.0\nplaywright==1.49.0\n"}
    if declared:
        files |= {"fyke.json": f'{{"browser": "{declared}"}}'}
    project = read_project(archive(files))
    assert (project.browser, project.browser_declared) == (need, bool(declared))
    assert codes(project.findings) == ({code} if code else set())
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert check_folder(tmp_path) == project.findings


def test_a_browser_is_detected_in_the_sources_of_each_language() -> None:
    of_python = PYTHON | {"main.py": "from sdk import CoreSDK\nws = env['ChromeWs']\n"}
    assert read_project(archive(of_python)).browser is BrowserNeed.OPTIONAL
    of_node = {
        "main.js": "const sdk = require('./sdk');\nconst p = require('puppeteer-core');\n",
        "input_schema.json": SCHEMA,
        "package.json": "{}",
    }
    assert read_project(archive(of_node)).browser is BrowserNeed.OPTIONAL
    of_go = {
        "main.go": 'package main\nimport "github.com/go-rod/rod"\n',
        "main": elf(),
        "input_schema.json": SCHEMA,
    }
    assert read_project(archive(of_go)).browser is BrowserNeed.OPTIONAL
    assert read_project(archive(PYTHON)).browser is BrowserNeed.UNKNOWN
    assert read_project(archive(of_go | {"main.go": "package main\n"})).browser == ""


def test_an_invalid_need_of_a_browser_prevents_publication() -> None:
    text = error_text(PYTHON | {"fyke.json": '{\n"browser": "yes"}'})
    assert text.splitlines()[0] == (
        'fyke.json:2: browser must be "required", "headful", "optional" or "none"; write '
        '"required" if every run uses a browser, "headful" if it must have windows, "optional" if '
        'some runs use one, "none" if none does, or leave it out to have it detected'
    )


def test_the_digest_depends_only_on_content() -> None:
    first = read_project(archive(PYTHON))
    wrapped = {f"hello-main/{name}": text for name, text in reversed(PYTHON.items())}
    assert read_project(archive(wrapped)).digest == first.digest
    assert read_project(first.bundle).digest == first.digest
    changed = PYTHON | {"main.py": "print(2)\n"}
    assert read_project(archive(changed)).digest != first.digest


def test_the_description_of_the_schema_takes_precedence() -> None:
    schema = '\ufeff{"description": "From the schema", "properties": []}'
    project = read_project(archive(PYTHON | {"input_schema.json": schema}))
    assert project.description == "From the schema"
    assert project.input_schema.startswith("{")


def test_a_missing_lock_file_of_a_node_project_is_reported() -> None:
    files: dict[str, str | bytes] = {
        "main.js": "require('./sdk')",
        "package.json": '{"dependencies": {"@grpc/grpc-js": "^1.13.4"}}',
        "package-lock.json": '{"lockfileVersion": 3}',
        "input_schema.json": SCHEMA,
        "output_schema.json": '[{"name": "a", "type": "string"}]',
    }
    project = read_project(archive(files))
    assert project.language == Language.NODE
    assert "grpc-js" in project.requirements and "lockfileVersion" in project.requirements
    assert codes(project.findings) == {"readme_missing", "sdk_file_missing"}
    del files["package-lock.json"]
    assert "lock_file_missing" in codes(read_project(archive(files)).findings)


def test_a_lock_file_that_is_too_large_to_be_compared_is_accepted_without_warnings() -> None:
    lock = '{"packages": {"": {"dependencies": {"other": "1"}}}}'
    files: dict[str, str | bytes] = {
        "main.js": "require('./sdk'); require('cheerio')",
        "package.json": '{"dependencies": {"@grpc/grpc-js": "^1.13.4"}}',
        "package-lock.json": lock,
        "input_schema.json": SCHEMA,
    }
    warnings = {"lock_file_stale", "import_without_requirement"}
    assert warnings <= codes(read_project(archive(files)).findings)
    files["package-lock.json"] = lock + " " * 2**20
    assert warnings.isdisjoint(codes(read_project(archive(files)).findings))


def test_the_program_of_a_go_project_becomes_executable() -> None:
    files: dict[str, str | bytes] = {
        "main": elf(),
        "main.go": "package main",
        "input_schema.json": SCHEMA,
    }
    project = read_project(archive(files))
    assert project.language == Language.GO
    made = zipfile.ZipFile(io.BytesIO(project.bundle))
    assert made.getinfo("main").external_attr >> 16 & 0o777 == 0o755
    assert made.getinfo("main.go").external_attr >> 16 & 0o777 == 0o644
    assert codes(project.findings) == {"readme_missing", "sdk_not_imported"}
    del files["main.go"]
    assert codes(read_project(archive(files)).findings) == {"readme_missing"}


def test_go_source_with_a_module_is_accepted_with_a_warning() -> None:
    source = 'package main\nimport coresdk "worker/GoSdk"\n'
    files: dict[str, str | bytes] = {
        "main.go": source,
        "go.mod": "module worker",
        "input_schema.json": SCHEMA,
    }
    project = read_project(archive(files))
    assert project.language == Language.GO
    assert codes(project.findings) == {"readme_missing", "go_program_not_built"}
    del files["go.mod"]
    assert "or a go.mod to build it" in error_text(files)


@pytest.mark.parametrize(
    ("files", "entry"),
    [
        ({"index.js": ""}, "index.js"),
        ({"index.js": "", "package.json": '{"main": "./lib/start.cjs"}'}, "index.js"),
        (
            {"index.js": "", "lib/start.cjs": "", "package.json": '{"main": "./lib/start.cjs"}'},
            "lib/start.cjs",
        ),
        ({"app.mjs": "", "package.json": '{"main": "app.mjs"}'}, "app.mjs"),
        ({"main.js": "", "app.js": "", "package.json": '{"main": "app.js"}'}, "main.js"),
        ({"index.js": "", "package.json": '{"main": "../../etc/passwd.js"}'}, "index.js"),
        ({"index.js": "", "package.json": '{"main": ["index.js"]}'}, "index.js"),
        ({"index.js": "", "package.json": "{"}, "index.js"),
        ({"index.js": "", "package.json": "[]"}, "index.js"),
        ({"index.js": "", "package.json": '{"main": "README.md"}', "README.md": "# x"}, "index.js"),
    ],
)
def test_package_json_or_index_js_names_the_entry_of_a_node_project(
    files: dict[str, str | bytes], entry: str
) -> None:
    with open_archive(archive(files)) as opened:
        reader = ProjectReader(opened)
        reader.read_all()
    assert (reader.language, reader.entry) == (Language.NODE, entry)


@pytest.mark.parametrize(
    ("program", "words"),
    [
        (b"MZ\x90", "a Windows program"),
        (b"\xcf\xfa\xed\xfe", "a macOS program"),
        (b"#!/bin/sh", "a script"),
        (b"hello", "no program"),
        (b"\x7fELF", "64-bit"),
        (elf(bits=1), "64-bit"),
        (elf(machine=183 if ARCHITECTURE == "amd64" else 62), f"not for {ARCHITECTURE}"),
        (elf(machine=243), "another processor (number 243)"),
        (elf(interpreter=True), "shared libraries"),
        (elf(kind=1), "object file"),
    ],
)
def test_programs_that_cannot_run_are_refused(program: bytes, words: str) -> None:
    text = error_text({"main": program, "input_schema.json": SCHEMA})
    assert words in text
    assert f"GOOS=linux GOARCH={ARCHITECTURE}" in text


def test_a_truncated_program_header_table_has_no_interpreter() -> None:
    files: dict[str, str | bytes] = {"main": elf()[:64], "input_schema.json": SCHEMA}
    assert "go_program_dynamic" not in codes(read_project(archive(files)).findings)


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"main.py": "", "main.js": ""}, "2 entry files: main.py, main.js"),
        ({"main.go": "package main"}, f"GOOS=linux GOARCH={ARCHITECTURE}"),
        ({"a/b/main.py": "", "c": ""}, "a/b/main.py is too deep"),
        ({"x.txt": ""}, "put main.py, main.js, main.go or a compiled main"),
        ({"main.py": ""}, "there is no input_schema.json"),
        ({"main.py": "", "input_schema.json": "{"}, "input_schema is not a valid json"),
        ({"main.py": "", "input_schema.json": "[]"}, "must be an object"),
        ({"main.py": "", "input_schema.json": b"\xff"}, "byte 0 is not UTF-8"),
        ({"main.py": "", "input_schema.json": " " * 600_000}, "larger than"),
        (
            {"main.py": "", "input_schema.json": SCHEMA, "README.md": "a\0b"},
            "README.md: contains a NUL character",
        ),
        ({"main.py": "\n\nx = (", "input_schema.json": SCHEMA}, "main.py:3: syntax error"),
        ({"main.py": "", "output_schema.json": "{}", "input_schema.json": SCHEMA}, "array of col"),
        (
            {"main.py": "", "requirements.txt": "\n-r other.txt", "input_schema.json": SCHEMA},
            "requirements.txt:2: the option '-r' is not accepted",
        ),
        (
            {
                "main.js": "",
                "package.json": '{"dependencies": {"a": "git+ssh://x/y"}}',
                "input_schema.json": SCHEMA,
            },
            "package.json",
        ),
    ],
)
def test_invalid_projects_are_refused_with_the_error(
    files: dict[str, str | bytes], words: str
) -> None:
    assert words in error_text(files)


def test_all_errors_are_reported_at_once() -> None:
    with pytest.raises(InvalidRequest) as caught:
        read_project(archive({"main.py": "(", "input_schema.json": "{"}))
    assert len(caught.value.details) == 2
    assert caught.value.message == caught.value.details[0]


def test_syntax_errors_of_other_files_are_warnings() -> None:
    project = read_project(archive(PYTHON | {"lib/tool.py": "def", "old.py": b"\xff"}))
    found = {finding.file: finding for finding in project.findings}
    assert found["lib/tool.py"].severity == "warning"
    assert found["lib/tool.py"].line == 1
    assert "UTF-8" in found["old.py"].message


def test_a_folder_is_checked_before_publishing(tmp_path: Path) -> None:
    for name, text in PYTHON.items():
        (tmp_path / name).write_text(text)
    assert check_folder(tmp_path) == []
    assert read_project(pack(tmp_path)).title == "Hello there"
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist" / "x.py").write_text("")
    (tmp_path / "main.js").write_text("")
    assert codes(check_folder(tmp_path)) == {"project_entry_ambiguous"}
    (tmp_path / "main.js").unlink()
    (tmp_path / "requirements.txt").unlink()
    assert codes(check_folder(tmp_path)) == {"dependency_file_missing"}
    (tmp_path / "link").symlink_to("main.py")
    found = check_folder(tmp_path)
    assert codes(found) == {"project_unreadable"}
    assert "symbolic link" in found[0].message


def test_left_out_folders_are_reported() -> None:
    project = read_project(archive(PYTHON | {"build/x.js": "", "node_modules/a/b.js": ""}))
    assert codes(project.findings) == {"project_folder_left_out"}
    names = zipfile.ZipFile(io.BytesIO(project.bundle)).namelist()
    assert sorted(names) == sorted(PYTHON)


def test_a_finding_is_described_in_one_line() -> None:
    finding = Finding("error", "c", "f.json", 3, "is bad", "fix it")
    assert describe(finding) == "f.json:3: is bad; fix it"
    named = replace(finding, message="f.json is bad", line=0)
    assert describe(named) == "f.json: is bad; fix it"


@pytest.mark.parametrize(
    "source",
    [b"(" * 10_000, b"\x00", b"# coding: rot13\nx = (\n", b"-" * 100_000 + b"1", b"x = '\\d'\n"],
)
def test_hostile_sources_are_parsed_safely(source: bytes) -> None:
    assert bool(inspect_source(source).problem) == (b"\\d" not in source)


@pytest.mark.parametrize(
    ("entry", "text", "reported"),
    [
        ("main.py", "from sdk import CoreSDK\n", False),
        ("main.py", "if True:\n    import sdk\n", False),
        ("main.py", "import sdkish\n# import sdk later\n", True),
        ("main.js", 'const c = require("./sdk");', False),
        ("main.js", "import c from './sdk.js'", False),
        ("main.js", "require('sdk')", True),
        ("main.js", "await import('./sdk.js')", False),
        ("main.go", 'import coresdk "worker/GoSdk"', False),
        ("main.go", 'import "example.com/GoSdkish"', True),
    ],
)
def test_a_project_without_the_sdk_is_reported(entry: str, text: str, reported: bool) -> None:
    files: dict[str, str | bytes] = {entry: text, "go.mod": "", "input_schema.json": SCHEMA}
    found = read_project(archive(files)).findings
    assert ("sdk_not_imported" in {finding.code for finding in found}) == reported
