"""Installation as a part of a run: a hanging registry delays only its own run."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from fyke.reasons import HintCode, ReasonCode
from fyke.sandbox.packages.installer import MEMORY
from support import npm_registry, package_index
from support.booted import Booted, booted
from support.mounts import in_a_thread, new_mounts
from support.npm_registry import Registry
from support.package_index import Index, make_source
from support.projects import python_project
from support.reasons import reaches
from support.small_disk import SMALL_DISK, platform_in, small_disk
from support.zips import Entry, make_zip
from zoo.bundles import SCHEMA, packed

pytestmark = pytest.mark.needs("bwrap")

ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")
SECONDS = 6
HANGS = python_project("print('never')\n", requirements="slow\n")
RUNS = python_project("print('ran')\n")


@pytest.fixture(scope="module")
def index() -> Iterator[Index]:
    with package_index.served() as made:
        made.held = "slow"
        yield made


@pytest.fixture(scope="module")
def registry() -> Iterator[Registry]:
    with npm_registry.served(Registry()) as made:
        made.add("left", "1.2.3")
        yield made


@pytest.fixture(scope="module")
def configured(index: Index, registry: Registry) -> Iterator[Booted]:
    """A platform whose package clients are set to these registries."""
    room = {"runner_cpus": "4", "runner_memory_mb": "2048"}
    with ExitStack() as running:
        # only during its start: a shared platform may start later in this process
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("UV_DEFAULT_INDEX", index.url)
            patch.setenv("UV_HTTP_RETRIES", "0")
            patch.setenv("PIP_CONFIG_FILE", os.devnull)
            patch.delenv("PIP_FIND_LINKS", raising=False)
            patch.setenv("npm_config_registry", registry.url)
            patch.setenv("GOPROXY", "http://127.0.0.1:9")
            made = running.enter_context(booted(install_seconds=str(SECONDS), **room))
        yield made


def tools(platform: Booted) -> list[str]:
    """The sandboxes of running installations."""
    return [name for name in os.listdir(platform.home / "work") if name.startswith("TOOL-")]


def waiting(index: Index) -> int:
    """Return how often the hanging page was requested."""
    return sum("/simple/slow/" in request for request in index.requests)


@pytest.mark.long
@reaches(ReasonCode.INSTALL_TIMEOUT, HintCode.INSTALL_TIMEOUT, ReasonCode.PREPARING)
def test_a_hanging_registry_does_not_delay_the_queue(configured: Booted, index: Index) -> None:
    hanging = configured.start_run(configured.push(HANGS, "installing-hangs"))
    configured.wait_for(lambda: waiting(index), "the index to be asked", 20)
    assert configured.waits(hanging)["code"] == "preparing"
    other = configured.start_run(configured.push(RUNS, "installing-runs"))
    assert configured.ended(other)["status"] == 3, configured.tail()
    ended = configured.ended(hanging)
    assert ended["status"] == 4
    assert f"within {SECONDS} seconds" in ended["err_msg"]
    assert configured.summary(hanging)["reason_params"] == {"seconds": SECONDS}
    configured.wait_for(lambda: not tools(configured), "the end of the sandbox", 10)


def test_aborting_a_run_kills_the_installer(configured: Booted, index: Index) -> None:
    before = waiting(index)
    hanging = configured.start_run(configured.push(HANGS, "installing-aborted"))
    configured.wait_for(lambda: waiting(index) > before, "the index to be asked", 20)
    killed = tools(configured)
    assert killed
    started = time.monotonic()
    configured.call("/api/v1/scraper/abort", {"run_slug": hanging})
    ended = configured.ended(hanging)
    # the runner may install the dependencies again, for the version and without a run
    configured.wait_for(lambda: not {*killed} & {*tools(configured)}, "the end of the sandbox", 10)
    assert time.monotonic() - started < SECONDS
    assert "within" not in ended["err_msg"]


@pytest.mark.skipif(shutil.which("npm") is None, reason="there is no npm here")
def test_a_lock_file_out_of_step_is_a_warning_in_the_log(configured: Booted) -> None:
    lock = {"lockfileVersion": 3, "packages": {"": {}}}
    project = make_zip(
        [
            Entry("main.js", b"require('left')\n"),
            Entry("input_schema.json", b'{"properties": []}'),
            Entry("package.json", b'{"dependencies": {"left": "^1.0.0"}}'),
            Entry("package-lock.json", json.dumps(lock).encode()),
        ]
    )
    slug = configured.push(project, "installing-out-of-step")
    for _ in range(2):  # the second run uses the environment of the first
        run = configured.start_run(slug)
        assert configured.ended(run)["status"] == 3, configured.tail()
        entries = configured.call("/api/v1/run/last/log", {"run_slug": run})["list"]
        [line] = [entry for entry in entries if "out of step" in entry["content"]]
        assert line["type"] == 3


# --- before a run -------------------------------------------------------------------------------


def environment(platform: Booted, slug: str) -> dict[str, Any]:
    """Wait until the dependencies of the version are installed or not; return what is known."""

    def prepared() -> dict[str, Any] | None:
        path = f"/api/fyke/workers/{slug}/versions/v1.0.1/environment"
        found: dict[str, Any] = platform.raw(path, method="GET").json()["data"]["environment"]
        return None if found["state"] == "preparing" else found

    found: dict[str, Any] = platform.wait_for(prepared, "the end of the preparation", 30)
    return found


def test_a_version_is_ready_or_says_why_not_before_it_is_started(
    configured: Booted, index: Index
) -> None:
    index.add(*make_source("leaves", LEAVES_A_LINK))
    refused = python_project(MAIN, requirements="leaves\n", **BUILDS)
    slugs = [
        configured.push(RUNS, "prepared-ready"),
        configured.push(python_project(MAIN, requirements="absent\n"), "prepared-absent"),
        configured.push(HANGS, "prepared-hangs"),
        configured.push(refused, "prepared-refused"),
    ]
    found = [environment(configured, slug) for slug in slugs]
    assert [(each["state"], each["reason_code"]) for each in found] == [
        ("ready", ""),
        ("failed", "package_not_found"),
        ("failed", "install_timeout"),
        ("failed", "builds_not_allowed"),
    ]
    assert found[2]["reason_params"] == {"seconds": SECONDS}
    run = configured.start_run(slugs[0])
    assert configured.ended(run)["status"] == 3, configured.tail()
    started = configured.start_run(slugs[1])  # as before, and with the same reason
    assert configured.ended(started)["err_msg"] == found[1]["reason"]


# --- why an installation fails ------------------------------------------------------------------

MAIN = "print(1)\n"
BUILDS = {"fyke.json": json.dumps({"install": "build"})}
GO = {"main.go": "package main\n\nfunc main() {}\n", "go.mod": "module worker\n\ngo 1.24\n"}
NODE = {"main.js": "1;\n"}
LEAVES_A_LINK = (
    "import os\nos.makedirs('/work/out', exist_ok=True)\n"
    "os.symlink('/etc/passwd', '/work/out/link')"
)
FILLS_THE_DISK = """
with open("/work/fill", "wb") as file:
    while True: file.write(bytes(2**20))
"""
TAKES_MEMORY = "held = []\nwhile True: held.append(b'1' * 2**28)"


def failed(platform: Booted, archive: bytes, name: str, *, builds: bool = False) -> dict[str, Any]:
    """Publish and run a project that cannot be installed; return the summary of the run."""
    slug = platform.push(archive, name)
    if builds:
        allowed = platform.raw(f"/api/fyke/workers/{slug}/builds", {"allowed": True}, method="PUT")
        assert allowed.json()["code"] == 0, allowed.text
    run = platform.start_run(slug)
    assert platform.ended(run)["status"] == 4
    found = platform.summary(run)
    assert found["outcome"] == "install_failed", found
    return found


def other(files: dict[str, str]) -> bytes:
    """A project in another language than Python."""
    return packed({**files, "input_schema.json": SCHEMA})


@reaches(
    ReasonCode.BUILDS_NOT_ALLOWED,
    HintCode.BUILDS_NOT_ALLOWED,
    HintCode.INSTALL_FAILED,
    ReasonCode.PACKAGE_NOT_FOUND,
    HintCode.PACKAGE_NOT_FOUND,
    ReasonCode.NO_READY_PACKAGE,
    ReasonCode.PACKAGES_FAILED,
    ReasonCode.PACKAGES_REFUSED,
)
def test_the_reason_why_python_packages_are_not_installed_is_reported(
    configured: Booted, index: Index
) -> None:
    absent = python_project(MAIN, requirements="absent\n")
    assert failed(configured, absent, "installing-absent")["reason_code"] == "package_not_found"
    absent = python_project(MAIN, requirements="absent\n", **BUILDS)
    name = "installing-absent-built"
    assert failed(configured, absent, name)["reason_code"] == "builds_not_allowed"
    assert failed(configured, absent, name, builds=True)["reason_code"] == "package_not_found"
    index.add(*make_source("leaves", LEAVES_A_LINK))
    source = python_project(MAIN, requirements="leaves\n")
    assert failed(configured, source, "installing-source")["reason_code"] == "no_ready_package"
    never = python_project(MAIN, requirements="leaves<1\nleaves>1\n", **BUILDS)
    name = "installing-never"
    assert failed(configured, never, name, builds=True)["reason_code"] == "packages_failed"
    leaves = python_project(MAIN, requirements="leaves\n", **BUILDS)
    refused = failed(configured, leaves, "installing-leaves", builds=True)
    assert refused["reason_code"] == "packages_refused"
    assert "link" in refused["reason_params"]["detail"]


@reaches(ReasonCode.REGISTRY_LOGIN)
def test_an_index_that_asks_for_a_login_ends_the_run(configured: Booted, index: Index) -> None:
    index.login = "user:pass-word"
    try:
        walled = python_project(MAIN, requirements="walled\n")
        found = failed(configured, walled, "installing-walled")
    finally:
        index.login = ""
    assert found["reason_code"] == "registry_login"
    assert index.url in found["reason_params"]["detail"]


@reaches(ReasonCode.NOT_STARTED, HintCode.REGISTRY_AWAY)
def test_a_registry_that_is_away_returns_the_run_and_the_version_is_ready_later(
    configured: Booted, index: Index
) -> None:
    index.add_wheel("later")
    index.refused = 10**9
    try:
        slug = configured.push(python_project(MAIN, requirements="later\n"), "installing-later")
        run = configured.start_run(slug)
        configured.wait_for(lambda: configured.waits(run)["code"] == "next_try", "a next try")
        configured.change_state(
            "UPDATE attempts SET finished_at = finished_at - 120000 WHERE outcome = 'returned'"
        )
        assert configured.ended(run)["status"] == 4
    finally:
        index.refused = 0
    found = configured.summary(run)
    assert (found["reason_code"], found["reason_params"]["detail_code"]) == (
        "not_started",
        "registry_away",
    )
    assert "tried again in 1 s" in configured.log_text(run)
    assert environment(configured, slug)["state"] == "ready"


@reaches(ReasonCode.REGISTRY_SETTINGS)
def test_uv_settings_that_cannot_be_read_end_the_run(configured: Booted) -> None:
    home = configured.home if os.geteuid() == 0 else configured.folder
    file = home / ".config" / "uv" / "uv.toml"
    file.parent.mkdir(parents=True)
    file.write_text("[[index]\nurl = ")
    try:
        absent = python_project(MAIN, requirements="absent==1.0.0\n")
        found = failed(configured, absent, "installing-settings")
    finally:
        file.unlink()
    assert (found["reason_code"], found["reason_params"]["source"]) == (
        "registry_settings",
        str(file),
    )


@reaches(ReasonCode.BAD_REQUIREMENT, HintCode.REQUIREMENT_REFUSED)
def test_a_lock_file_that_is_not_accepted_is_reported(configured: Booted) -> None:
    lock = {"packages": {"": {}, "node_modules/left": {"link": True, "resolved": "../left"}}}
    asks = NODE | {
        "package.json": json.dumps({"dependencies": {"left": "1.2.3"}}),
        "package-lock.json": json.dumps(lock),
    }
    found = failed(configured, other(asks), "installing-lock")
    assert "is a link" in found["reason_params"]["detail"]


@pytest.mark.skipif(shutil.which("go") is None, reason="there is no Go toolchain here")
@reaches(ReasonCode.BUILD_FAILED, ReasonCode.REGISTRY_LOOPBACK)
def test_the_reason_why_a_go_program_is_not_built_is_reported(
    configured: Booted, platform: Booted
) -> None:
    broken = GO | {"main.go": "package main\n\nfunc main() { broken() }\n"}
    found = failed(platform, other(broken), "installing-go-broken")
    assert "undefined: broken" in found["reason_params"]["detail"]
    needs = GO | {"go.mod": f"{GO['go.mod']}\nrequire example.test/greet v1.0.0\n"}
    found = failed(configured, other(needs), "installing-go-needs")
    assert found["reason_params"] == {"host": "127.0.0.1"}


@reaches(ReasonCode.ROOM, ReasonCode.QUEUE)
def test_a_run_that_waits_for_capacity_shows_the_reason(configured: Booted) -> None:
    slug = configured.push(python_project("import time\ntime.sleep(60)\n"), "installing-sleeps")
    busy = configured.start_run(slug)
    configured.wait_for(lambda: configured.detail(busy)["started_at"], "the start")
    large = configured.start_run(slug, memory=4096)
    assert configured.waits(large)["params"]["largest_memory_mb"] == 2048
    small = configured.start_run(slug)
    assert configured.waits(small)["params"]["ahead"] == 1
    for run in (small, large, busy):
        configured.call("/api/v1/scraper/abort", {"run_slug": run})
        configured.ended(run)


# --- machines that are not set up for it ---------------------------------------------------------


@contextmanager
def mounted(*binds: tuple[Path, Path], **settings: str) -> Iterator[Booted]:
    """A platform that sees replacements of these files."""
    made: list[Booted] = []
    with ExitStack() as opened:

        def start() -> None:
            new_mounts()
            for source, target in binds:
                subprocess.run(["mount", "--bind", str(source), str(target)], check=True)
            made.append(opened.enter_context(booted(**settings)))

        in_a_thread(start)
        yield made[0]


@pytest.mark.long
@ROOT_ONLY
@pytest.mark.skipif(shutil.which("npm") is None, reason="there is no npm here")
@reaches(
    ReasonCode.INSTALLER_MISSING,
    ReasonCode.NPM_TOO_OLD,
    ReasonCode.REGISTRY_PROXY,
    ReasonCode.REGISTRY_CREDENTIALS,
    HintCode.INSTALLER_NOT_READY,
)
def test_misconfigured_package_clients_are_reported(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://user:secret@index.example/simple")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    npm, none = tmp_path / "npm", tmp_path / "none"
    login = json.dumps({"registry": "https://user:secret@registry.example/"})
    npm.write_text(f"#!/bin/sh\n[ $1 = config ] && echo '{login}' || echo 10.9.0\n")
    npm.chmod(0o755)
    none.write_text("")
    none.chmod(0o644)
    go = shutil.which("go", path="/usr/bin:/usr/local/go/bin:/usr/lib/go/bin")
    hidden = [(none, Path(go).resolve())] if go else []
    with mounted((npm, Path(shutil.which("npm") or "").resolve()), *hidden) as platform:
        found = failed(platform, other(GO), "odd-go")
        assert (found["reason_code"], found["reason_params"]["program"]) == (
            "installer_missing",
            "Go",
        )
        asks = NODE | {"package.json": json.dumps({"dependencies": {"left": "1.2.3"}})}
        found = failed(platform, other(asks), "odd-npm")
        assert found["reason_params"] == {"version": "10.9.0", "oldest": 11}
        plain = python_project(MAIN)
        assert failed(platform, plain, "odd-proxy")["reason_code"] == "registry_proxy"
        built = python_project(MAIN, requirements="left\n", **BUILDS)
        found = failed(platform, built, "odd-credentials", builds=True)
        assert found["reason_code"] == "registry_credentials"
        assert "secret" not in json.dumps(found)


@ROOT_ONLY
@pytest.mark.long
@reaches(
    ReasonCode.INSTALL_LIMIT,
    HintCode.INSTALL_LIMIT,
    ReasonCode.INSTALL_DISK_FULL,
    ReasonCode.DISK_FULL,
)
def test_builds_that_exceed_the_memory_or_the_disk_are_reported(
    index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", index.url)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    index.add(*make_source("takes", TAKES_MEMORY))
    index.add(*make_source("fills", FILLS_THE_DISK))
    with small_disk() as folder, platform_in(folder, disk_floor_mb="128") as platform:
        assert platform.isolation() == "full"
        takes = python_project(MAIN, requirements="takes\n", **BUILDS)
        found = failed(platform, takes, "small-takes", builds=True)
        assert found["reason_params"] == {"memory_bytes": MEMORY}
        fills = python_project(MAIN, requirements="fills\n", **BUILDS)
        found = failed(platform, fills, "small-fills", builds=True)
        assert found["reason_code"] == "install_disk_full"
        with (platform.home / "filler").open("wb") as filler:
            os.posix_fallocate(filler.fileno(), 0, SMALL_DISK - 100 * 2**20)
        body = {"scraper_slug": "owner/small-fills", "input": {"parameters": {"custom": {}}}}
        assert platform.raw("/api/v1/scraper/run", body).status_code == 503
        (platform.home / "filler").unlink()
