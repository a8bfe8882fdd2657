"""Warnings about imports and lock files."""

from __future__ import annotations

from typing import Any

import pytest

from fyke.domain.workers.dependency_findings import (
    node_imports,
    python_imports,
    read_lock,
    stale_lock,
)
from support.hangs import no_hang

FILES = ("main.py", "shop/pages.py", "helper.py", "sdk.py")


@pytest.mark.parametrize(
    ("module", "packages"),
    [
        ("os", ()),
        ("shop", ()),
        ("pages", ()),
        ("helper", ()),
        ("grpc", ()),
        ("google", ()),
        ("requests", ("requests",)),
        ("bs4", ("beautifulsoup4",)),
        ("PIL", ("pillow",)),
        ("cv2", ("opencv-python",)),
        ("cv2", ("opencv-python-headless",)),
        ("fake_useragent", ("fake-useragent",)),
        ("telegram", ("python-telegram-bot",)),
        ("scrapy_playwright", ("scrapy-playwright",)),
        ("ruamel", ("ruamel-yaml",)),
        ("curl_cffi", ("curl-cffi",)),
    ],
)
def test_modules_that_something_seems_to_have_are_not_reported(
    module: str, packages: tuple[str, ...]
) -> None:
    assert python_imports([("main.py", 1, module)], FILES, packages) == []


def test_a_module_without_a_requirement_is_reported_once_with_its_package() -> None:
    imports = [("main.py", 2, "bs4"), ("main.py", 3, "requests"), ("shop/pages.py", 1, "bs4")]
    [found] = python_imports(imports, FILES, ["requests"])
    assert (found.code, found.severity, found.file, found.line) == (
        "import_without_requirement",
        "warning",
        "main.py",
        2,
    )
    assert "bs4 is imported" in found.message
    assert found.remedy.startswith("add beautifulsoup4 to requirements.txt")


def test_the_number_of_reports_is_limited() -> None:
    imports = [("main.py", number, f"module{number}") for number in range(100)]
    assert len(python_imports(imports, FILES, [])) == 10


SOURCE = """
const fs = require('fs');
import axios from "axios";
import { load } from 'cheerio/slim';
import '@scope/plain/part.js';
import sdk from './sdk.js';
import test from 'node:test';
const lazy = await import('got');
// const old = require('left-pad');
export { x } from 'undici'
const s = "a string from somewhere";
"""


def names_of(sections: dict[str, dict[str, str]], lock: dict[str, Any]) -> list[tuple[int, str]]:
    found = node_imports([("main.js", SOURCE)], sections, lock)
    return [(item.line, item.message.split()[0]) for item in found]


def test_packages_that_package_json_does_not_name_are_reported() -> None:
    assert names_of({"dependencies": {"axios": "1"}}, {}) == [
        (4, "cheerio"),
        (5, "@scope/plain"),
        (8, "got"),
        (10, "undici"),
    ]
    lock = {"packages": {"node_modules/cheerio": {}, "node_modules/a/node_modules/undici": {}}}
    sections = {
        "dependencies": {"axios": "1", "got": "1"},
        "optionalDependencies": {"@scope/plain": "1"},
    }
    assert names_of(sections, lock) == []


def lock_of(**packages: dict[str, Any]) -> dict[str, Any]:
    root = {"dependencies": {"axios": "^1.0.0"}}
    axios = {"version": "1.7.0", "dependencies": {"form-data": "^4.0.0"}}
    known = {"": root, "node_modules/axios": axios, "node_modules/form-data": {"version": "4.0.0"}}
    return {"lockfileVersion": 3, "packages": known | packages}


def test_a_lock_file_in_step_is_not_reported() -> None:
    sections = {"dependencies": {"axios": "^1.0.0"}, "optionalDependencies": {}}
    assert stale_lock("package-lock.json", lock_of(), sections) == []
    nested = {"node_modules/axios/node_modules/form-data": {}, "node_modules/form-data": None}
    assert stale_lock("package-lock.json", lock_of(**nested), sections) == []
    assert (
        stale_lock("package-lock.json", {"lockfileVersion": 1, "dependencies": {}}, sections) == []
    )
    optional = {
        "node_modules/axios": {"dependencies": {"x": "1"}, "optionalDependencies": {"x": "1"}}
    }
    assert stale_lock("package-lock.json", lock_of(**optional), sections) == []


@pytest.mark.parametrize(
    ("sections", "packages", "named"),
    [
        ({"dependencies": {"axios": "^2.0.0"}}, {}, "axios"),
        ({"dependencies": {"axios": "^1.0.0", "got": "1"}}, {}, "got"),
        ({"dependencies": {}}, {}, "axios"),
        (
            {"dependencies": {"axios": "^1.0.0"}},
            {"node_modules/axios": {"dependencies": {"undici": "^6"}}},
            "undici",
        ),
    ],
)
def test_a_lock_file_out_of_step_is_reported_with_the_package(
    sections: dict[str, dict[str, str]], packages: dict[str, Any], named: str
) -> None:
    [found] = stale_lock("package-lock.json", lock_of(**packages), sections)
    assert (found.code, found.severity) == ("lock_file_stale", "warning")
    assert found.message == f"package-lock.json is out of step with package.json: {named}"


def test_a_lock_file_of_any_shape_is_read() -> None:
    for text in ("", "[]", "{", "[" * 100_000, '{"packages": []}', '{"packages": {"a": 1}}'):
        lock = read_lock(text)
        assert stale_lock("package-lock.json", lock, {"dependencies": {}}) == []
        assert node_imports([], {}, lock) == []


def test_projects_of_the_largest_size_are_compared_in_bounded_time() -> None:
    imports = [("main.py", number, f"m{number}") for number in range(200_000)]
    packages = [f"package{number}" for number in range(4_000)]
    deep = "/".join(["node_modules/a"] * 20_000)
    dependencies = {f"d{number}": "1" for number in range(20_000)}
    with no_hang():
        assert len(python_imports(imports, FILES, packages)) == 10
        assert python_imports(imports, FILES, packages * 20) == []  # not compared
        assert stale_lock("x", {"packages": {deep: {"dependencies": dependencies}}}, {}) == []


def test_no_more_than_the_first_differences_are_looked_for() -> None:
    lock = {"packages": {"": {"dependencies": {f"d{number}": "1" for number in range(50_000)}}}}
    with no_hang(1):
        [found] = stale_lock("package-lock.json", lock, {})
    assert found.message.count("d") < 20
