"""Reads and checks a whole Worker project.

``read_project`` turns an archive into a ``Project`` that can be published, or refuses it with all
errors at once. ``check_folder`` returns the same findings to the author before publishing. No code
of the project is run: Python files are parsed, never compiled or imported, and of a compiled Go
program only the header is read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from fyke.domain.workers import (
    browser_need,
    dependency_findings,
    entry,
    go_build,
    input_findings,
    jsontext,
    output_schema,
    project_file,
    requirements,
    sdk_usage,
)
from fyke.domain.workers.archive import Archive, normalise, open_archive, pack
from fyke.domain.workers.elf import ARCHITECTURE, inspect_program
from fyke.domain.workers.input_schema import FILE as INPUT_SCHEMA
from fyke.domain.workers.output_schema import FILE as OUTPUT_SCHEMA
from fyke.domain.workers.python_source import inspect_source
from fyke.domain.workers.schema_report import ERROR, WARNING, shortened
from fyke.domain.workers.suggested_page import suggested_description, suggested_title
from fyke.errors import InvalidRequest
from fyke.kit.markdown import MAX_CHARS
from fyke.model.worker import BrowserNeed, Finding, Language, Project
from fyke.reasons import remedy_of, rule_of

SDK_FILES = {
    Language.PYTHON: ("sdk.py", "sdk_pb2.py", "sdk_pb2_grpc.py"),
    Language.NODE: ("sdk.js", "sdk_pb.js", "sdk_grpc_pb.js"),
    Language.GO: (),
}
DEPENDENCY_FILES = {Language.PYTHON: "requirements.txt", Language.NODE: "package.json"}
LOCK_FILES = ("package-lock.json", "npm-shrinkwrap.json")

MAX_README = 2**20
MAX_LOCK = 8 * 2**20
MAX_COMPARED_LOCK = 2**20  # decoding a larger one would delay other requests
MAX_SOURCE = 256 * 1024  # of one Python file that is parsed
MAX_SOURCES = 2 * 2**20  # of all parsed Python files


def read_project(data: bytes) -> Project:
    """Read an uploaded archive. Raise ``InvalidRequest`` with one detail for each error."""
    with open_archive(data) as archive:
        reader = ProjectReader(archive)
        reader.read_all()
        return build_project(reader, archive)


def build_project(reader: ProjectReader, archive: Archive) -> Project:
    """Return the project that ``reader`` has read. Raise ``InvalidRequest`` as ``read_project``."""
    errors = [finding for finding in reader.findings if finding.severity == ERROR]
    if errors or reader.language is None:
        lines = [describe(finding) for finding in errors]
        raise InvalidRequest(lines[0], details=lines)
    bundle = normalise(archive.files)
    return Project(
        language=reader.language,
        bundle=bundle,
        digest=hashlib.sha256(bundle).hexdigest(),
        input_schema=reader.input_schema,
        output_schema=reader.output_schema,
        readme=reader.readme,
        requirements=reader.requirements,
        title=suggested_title(reader.readme),
        description=suggested_description(reader.readme, reader.input_schema),
        findings=reader.findings,
        egress=reader.declared.egress,
        builds=reader.declared.builds,
        secrets=reader.declared.secrets,
        browser=reader.browser,
        browser_declared=reader.declared.browser is not BrowserNeed.UNKNOWN,
    )


def check_folder(folder: Path, replacements: Mapping[str, Path] | None = None) -> list[Finding]:
    """Return all findings about the project in a folder; an error would prevent its publication.

    ``replacements``: see ``pack``.
    """
    try:
        data = pack(folder, replacements)
        with open_archive(data) as archive:
            reader = ProjectReader(archive)
            reader.read_all()
            return reader.findings
    except InvalidRequest as error:
        remedy = "correct this and check again"
        return [Finding(ERROR, "project_unreadable", "", 0, error.message, remedy)]


def describe(finding: Finding) -> str:
    """Return the finding as one line: file, line, problem and remedy."""
    position = f"{finding.file}:{finding.line}" if finding.line else finding.file
    message = finding.message.removeprefix(f"{finding.file} ")
    text = f"{message}; {finding.remedy}"
    return f"{position}: {text}" if position else text


class ProjectReader:
    """Reads one archive: each check fills some of the attributes and adds its findings."""

    def __init__(self, archive: Archive) -> None:
        self._files = {file.path: file for file in archive.files}
        self._left_out = archive.left_out
        self.findings: list[Finding] = []
        self.language: Language | None = None
        self.entry = ""
        self.input_schema = self.output_schema = self.readme = self.requirements = ""
        self.declared = project_file.Declarations()
        self._imports: list[dependency_findings.Import] = []
        # of requirements.txt; None when it is refused
        self._packages: list[requirements.Requirement] | None = None
        self._node_sections: dict[str, dict[str, str]] | None = None
        self._lock: dict[str, Any] | None = {}  # None: there is one, too large to be compared
        self._uses_browser = False

    @property
    def browser(self) -> BrowserNeed:
        """The declared need of a browser, else the detected one."""
        if self.declared.browser is BrowserNeed.UNKNOWN and self._uses_browser:
            return BrowserNeed.OPTIONAL
        return self.declared.browser

    def read_all(self) -> None:
        """Run all checks."""
        for _, check in self.checks():
            check()

    def checks(self) -> list[tuple[str, Callable[[], None]]]:
        """Return the checks with their names, in order."""
        return [
            ("entry", self._read_language),
            ("schemas", self._read_schemas),
            ("readme", self._read_readme),
            ("declared", self._read_project_file),
            ("dependencies", self._read_dependencies),
            ("sdk", self._check_sdk),
            ("code", self._check_code),
        ]

    def _read_readme(self) -> None:
        self.readme = self._text("README.md", MAX_README) or ""
        if not self.readme.strip():
            self._warn(
                "readme_missing", "README.md", "there is no README.md", "describe the Worker"
            )
        if len(self.readme) > MAX_CHARS:
            message = f"the page of the Worker shows only {MAX_CHARS:,} characters of README.md"
            self._warn("readme_cut", "README.md", message, "shorten it")
        for name in self._left_out:
            message = f"the folder {name} is left out because it looks like a build product"
            self._warn("project_folder_left_out", name, message, "rename it if the Worker needs it")

    def _read_project_file(self) -> None:
        text = self._text(project_file.FILE, project_file.MAX_BYTES)
        if text is not None:
            self.declared, findings = project_file.read(text)
            self.findings += findings

    def _check_code(self) -> None:
        if self.language == Language.PYTHON:
            self._check_sources()
        if self.language == Language.GO:
            self._check_program()
        self._check_sdk_import()
        self._check_imports()
        self._detect_browser()

    def _error(self, code: str, file: str, message: str, remedy: str, line: int = 0) -> None:
        self.findings.append(Finding(ERROR, code, file, line, shortened(message), remedy))

    def _warn(self, code: str, file: str, message: str, remedy: str, line: int = 0) -> None:
        self.findings.append(Finding(WARNING, code, file, line, shortened(message), remedy))

    def _text(self, name: str, limit: int) -> str | None:
        """Return a text file without byte order mark; None when missing or reported as an error."""
        file = self._files.get(name)
        if file is None:
            return None
        if file.size > limit:
            message = f"{name} is larger than {limit:,} bytes"
            self._error("project_file_too_large", name, message, "shorten it")
            return None
        try:
            text = jsontext.decode_text(file.read(limit))
        except jsontext.BadJson as error:
            self._error("project_file_not_utf8", name, error.rule, "save it as UTF-8", error.line)
            return None
        if "\0" in text:
            message = f"{name} contains a NUL character"
            self._error("project_file_not_text", name, message, "save it as plain text")
            return None
        return text

    def _read_language(self) -> None:
        entries = entry.find(self._files.__contains__, self._package_text)
        if len(entries) == 1:
            self.language, self.entry = entries[0].language, entries[0].file
            if self.entry == go_build.SOURCE:
                self._check_go_source()
        elif entries:
            names = ", ".join(item.file for item in entries)
            message = f"the project has {len(entries)} entry files: {names}"
            remedy = "keep one, rename the others"
            self._error("project_entry_ambiguous", entries[0].file, message, remedy)
        else:
            self._report_missing_entry()

    def _package_text(self) -> str:
        """The package.json to find the entry file; its errors are reported by another check."""
        file = self._files[entry.PACKAGE]
        if file.size > entry.MAX_PACKAGE:
            return ""
        return file.read(entry.MAX_PACKAGE).decode("utf-8-sig", "replace")

    def _check_go_source(self) -> None:
        """Report that the program is built later, or that it cannot be built."""
        if go_build.MODULE not in self._files:
            message = "a Go project needs the compiled program main, or a go.mod to build it"
            remedy = f"build it for linux/{ARCHITECTURE} and pack again: {go_build.BY_HAND}"
            self._error("project_program_missing", go_build.SOURCE, message, remedy)
            return
        module = self._text(go_build.MODULE, jsontext.MAX_BYTES) or ""
        message = (
            "there is no compiled main: it is built before the first run, where "
            f"{go_build.needed(module)} is installed"
        )
        remedy = f"to find mistakes earlier, build it: {go_build.BY_HAND}"
        self._warn("go_program_not_built", go_build.SOURCE, message, remedy)

    def _report_missing_entry(self) -> None:
        message = "the project has no entry file"
        remedy = "put main.py, main.js, main.go or a compiled main at the root of the project"
        names = (*entry.ENTRIES, go_build.SOURCE)
        nested = [name for name in self._files if name.rpartition("/")[2] in names]
        if nested:
            remedy = f"{min(nested, key=len)} is too deep: pack the folder that contains it"
        self._error("project_entry_missing", "", message, remedy)

    def _read_schemas(self) -> None:
        schema = self._text(INPUT_SCHEMA, jsontext.MAX_BYTES + 3)
        if schema is not None:
            self.input_schema = schema
            self.findings += input_findings.check(schema)
        elif INPUT_SCHEMA not in self._files:
            message, remedy = f"there is no {INPUT_SCHEMA}", 'add one, at least {"properties": []}'
            self._error("input_schema_missing", INPUT_SCHEMA, message, remedy)
        columns = self._text(OUTPUT_SCHEMA, jsontext.MAX_BYTES + 3)
        if columns is not None:
            self.output_schema = columns
            self.findings += output_schema.check(columns)

    def _read_dependencies(self) -> None:
        name = DEPENDENCY_FILES.get(self.language) if self.language else None
        if name is None:
            return
        text = self._text(name, jsontext.MAX_BYTES)
        if text is None and name not in self._files:
            self._packages, self._node_sections = [], {}
            message = f"there is no {name}: only what the SDK files need is installed"
            self._warn("dependency_file_missing", name, message, f"add {name}")
        if text is None:
            return
        self.requirements = text
        if self.language == Language.PYTHON:
            self._check_requirements(text)
        else:
            self._check_package(text)

    def _check_requirements(self, text: str) -> None:
        try:
            self._packages = requirements.parse(text)
        except requirements.BadRequirement as error:
            code, name = "requirement_not_honoured", "requirements.txt"
            self._error(code, name, rule_of(error.detail), remedy_of(error.detail), error.line)

    def _check_package(self, text: str) -> None:
        lock = next((name for name in LOCK_FILES if name in self._files), None)
        try:
            self._node_sections = requirements.parse_package(text)
        except requirements.BadRequirement as error:
            code = "requirement_not_honoured"
            message, remedy = rule_of(error.detail), remedy_of(error.detail)
            self._error(code, "package.json", message, remedy, error.line)
        if lock is None:
            message = "there is no package-lock.json: each build may install other versions"
            self._warn("lock_file_missing", "package.json", message, "run npm install and add it")
        else:
            locked = self._text(lock, MAX_LOCK) or ""
            self.requirements += "\n" + locked
            small = len(locked) <= MAX_COMPARED_LOCK
            self._lock = dependency_findings.read_lock(locked) if small else None
            if self._node_sections is not None and self._lock is not None:
                self.findings += dependency_findings.stale_lock(
                    lock, self._lock, self._node_sections
                )

    def _check_imports(self) -> None:
        """Compare the imports with the declared packages, unless those could not be read."""
        if self.language == Language.PYTHON and self._packages is not None:
            self.findings += dependency_findings.python_imports(
                self._imports, self._files, [package.name for package in self._packages]
            )
        sections, lock = self._node_sections, self._lock
        if self.language == Language.NODE and sections is not None and lock is not None:
            self.findings += dependency_findings.node_imports(
                self._named_sources(Language.NODE), sections, lock
            )

    def _detect_browser(self) -> None:
        clue = self._browser_clue()
        self._uses_browser = clue is not None
        found = browser_need.finding(clue, self.declared.browser) if clue else None
        if found is not None:
            self.findings.append(found)
        if self.language is not None:
            sources = list(self._named_sources(self.language))
            self.findings += browser_need.missing_parts(sources, self.language)

    def _browser_clue(self) -> browser_need.Clue | None:
        if self.language is None:
            return None
        sources = list(self._named_sources(self.language))
        if self.language == Language.PYTHON:
            return browser_need.python_clue(self._packages or (), self._imports, sources)
        if self.language == Language.NODE:
            sections = (self._node_sections or {}).values()
            packages = [name for section in sections for name in section]
            return browser_need.node_clue(packages, sources)
        return browser_need.go_clue(sources)

    def _check_sdk(self) -> None:
        for name in SDK_FILES[self.language] if self.language else ():
            if name not in self._files:
                message = f"the SDK file {name} is missing"
                remedy = "copy it from a project made with `fyke worker new`"
                self._warn("sdk_file_missing", name, message, remedy)

    def _check_sdk_import(self) -> None:
        """Check that the SDK is imported, unless a syntax error is reported already."""
        has_syntax_error = any(finding.code == "python_syntax" for finding in self.findings)
        if self.language is not None and not has_syntax_error:
            self.findings += sdk_usage.sdk_findings(
                self.language,
                self.entry,
                [text for _, text in self._named_sources(self.language)],
            )

    def _named_sources(self, language: Language) -> Iterator[tuple[str, str]]:
        """Path and beginning of each source file in this language, without the SDK."""
        suffixes = sdk_usage.SUFFIXES[language]
        paths = [
            path
            for path in self._files
            if path.endswith(suffixes) and not path.startswith(("sdk", "GoSdk/"))
        ]
        for path in paths[: sdk_usage.MAX_FILES]:
            data = self._files[path].read(sdk_usage.MAX_INSPECTED_BYTES)
            yield path, data.decode("utf-8", "replace")

    def _check_sources(self) -> None:
        left = MAX_SOURCES
        paths = [path for path in self._files if path.endswith(".py")]
        for path in sorted(paths, key=lambda path: path != "main.py"):
            file = self._files[path]
            if file.size <= min(MAX_SOURCE, left):
                left -= file.size
                self._check_source(path, file.read(file.size))

    def _check_source(self, path: str, source: bytes) -> None:
        code = inspect_source(source)
        report = self._error if path == "main.py" else self._warn
        if code.problem:
            report("python_syntax", path, code.problem, "correct the Python syntax", code.line)
        if path not in SDK_FILES[Language.PYTHON]:
            self._imports += [(path, line, module) for module, line in code.imports]

    def _check_program(self) -> None:
        if self.entry != go_build.PROGRAM:
            return
        file = self._files[go_build.PROGRAM]
        problem, is_dynamic = inspect_program(file.read(64 * 1024))
        remedy = f"build it for linux/{ARCHITECTURE} and pack again: {go_build.BY_HAND}"
        if problem:
            self._error("go_program_unusable", "main", problem, remedy)
        elif is_dynamic:
            message = "main needs shared libraries, which may be missing where it runs"
            self._error("go_program_dynamic", "main", message, remedy)
