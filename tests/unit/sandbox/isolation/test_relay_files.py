"""The programs and links that libraries find in a sandbox, with bubblewrap itself."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from fyke.sandbox.isolation import relay, relay_files
from fyke.sandbox.isolation.bubblewrap import PROGRAM, USR_LINKS
from fyke.sandbox.isolation.relay_files import (
    BROWSERS_AT,
    DRIVER_AT,
    MAX_BYTES,
    NEEDS,
    PROGRAM_AT,
    RelayNeeds,
    fill_layer,
    find_needs,
    read_needs,
    relay_environment,
    relay_options,
    write_needs,
)

BUILD, SHELL = "chromium-1255", "chromium_headless_shell-1255"
FIREFOX = "firefox-1500"


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    folder = tmp_path / "env"
    folder.mkdir()
    return folder


def package(environment: Path, place: str, *browsers: object) -> Path:
    file = environment / place / "browsers.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps({"browsers": browsers}))
    return file


def test_the_builds_of_all_packages_are_found(environment: Path) -> None:
    package(
        environment,
        "lib/python3.13/site-packages/playwright/driver/package",
        {"name": "chromium", "revision": "1255", "browserVersion": "159.0"},
        {"name": "chromium-headless-shell", "revision": "1255"},
        {"name": "firefox", "revision": "1500"},
        {"name": "ffmpeg", "revision": "1011"},
        {"name": "chromium-tip-of-tree", "revision": "1400"},
    )
    package(
        environment,
        "a/node_modules/patchright-core",
        {"name": "chromium", "revision": "1243", "revisionOverrides": {"debian13-x64": "1200"}},
    )
    expected = RelayNeeds(("chromium-1200", "chromium-1243", BUILD, SHELL, FIREFOX))
    assert find_needs(environment) == expected
    write_needs(environment)
    assert read_needs(environment) == expected
    assert oct((environment.parent / NEEDS).stat().st_mode)[-3:] == "444"


@pytest.mark.parametrize(
    "browsers",
    [
        "x",
        [1],
        [{}],
        [{"name": "chromium"}],
        [{"name": "chromium", "revision": "../../etc"}],
        [{"name": "chromium", "revision": "x", "revisionOverrides": [1]}],
        [{"name": "../x", "revision": "1"}],
    ],
)
def test_a_package_that_names_something_else(environment: Path, browsers: object) -> None:
    file = package(environment, "playwright")
    file.write_text(json.dumps({"browsers": browsers}))
    assert find_needs(environment) == RelayNeeds()


def test_a_file_that_is_none(environment: Path) -> None:
    package(
        environment, "selenium/large", {"name": "chromium", "revision": "1", "x": "y" * MAX_BYTES}
    )
    package(environment, "broken").write_text("{" * 100_000)
    pipe = package(environment, "pipe")
    pipe.unlink()
    os.mkfifo(pipe)
    link = package(environment, "link")
    link.unlink()
    link.symlink_to(package(environment, "real", {"name": "chromium", "revision": "7"}))
    (environment / "folder" / "browsers.json").mkdir(parents=True)
    assert find_needs(environment) == RelayNeeds(("chromium-7",))


@pytest.mark.parametrize(
    ("stored", "needs"),
    [
        ("", None),
        ("{}", None),
        ("null", None),
        ("[]", RelayNeeds()),
        ('["chromium-1/../..", "chromium-x", 1, "ffmpeg-1"]', RelayNeeds()),
    ],
)
def test_what_is_stored_is_not_trusted(
    environment: Path, stored: str, needs: RelayNeeds | None
) -> None:
    (environment.parent / NEEDS).write_text(stored)
    assert read_needs(environment) == needs


def test_an_environment_without_packages_that_start_browsers(environment: Path) -> None:
    (environment / "lib" / "requests").mkdir(parents=True)
    write_needs(environment)
    assert read_needs(environment) is None
    assert read_needs(None) is None


def test_an_environment_of_an_older_release_has_none(environment: Path) -> None:
    assert read_needs(environment) is None


def test_a_package_that_needs_no_build(environment: Path) -> None:
    (environment / "puppeteer").mkdir()
    write_needs(environment)
    assert read_needs(environment) == RelayNeeds()


def test_the_variables_name_files_of_the_sandbox() -> None:
    variables = relay_environment("156.0.1")
    assert variables["PUPPETEER_EXECUTABLE_PATH"] == variables["CHROME_PATH"] == PROGRAM_AT
    assert (variables["SE_CHROMEDRIVER"], variables["PLAYWRIGHT_BROWSERS_PATH"]) == (
        DRIVER_AT,
        BROWSERS_AT,
    )
    assert variables[relay.VERSION] == "156.0.1"
    assert relay_environment("")[relay.VERSION] == relay.UNKNOWN_VERSION


@pytest.fixture(params=[False, True], ids=["without-overlays", "with-overlays"])
def has_layer(request: pytest.FixtureRequest) -> bool:
    has: bool = request.param
    return has


@pytest.fixture
def sandbox(tmp_path: Path, has_layer: bool) -> Iterator[list[str]]:
    """A sandbox with the files; the command is added."""
    numbers = []
    usr = ["--ro-bind", "/usr", "/usr"]
    if has_layer:
        fill_layer(tmp_path)
        usr = ["--overlay-src", "/usr", "--overlay-src", str(tmp_path), "--ro-overlay", "/usr"]

    def data(content: bytes) -> int:
        number = os.memfd_create("data", 0)
        os.write(number, content)
        os.lseek(number, 0, os.SEEK_SET)
        numbers.append(number)
        return number

    links = [("--symlink", f"usr/{name}", f"/{name}") for name in USR_LINKS]
    yield [
        *(PROGRAM, "--unshare-all", *usr, "--proc", "/proc"),
        *(word for link in links for word in link),
        *relay_options(data, [BUILD, SHELL, FIREFOX, "webkit-7"], has_layer=has_layer),
        *("--setenv", "FYKE_BROWSER_VERSION", "156.0.1", "--"),
    ]
    for number in numbers:
        os.close(number)


@pytest.mark.needs("bwrap")
def test_every_name_is_the_relay(sandbox: list[str], has_layer: bool) -> None:
    in_usr = [f"/usr/{name}" for name in relay_files.IN_USR]
    in_usr = [path for path in in_usr if has_layer or os.path.exists(path)]
    drivers = [path for path in in_usr if "driver" in path]
    paths = [
        PROGRAM_AT,
        f"{relay_files.PROGRAMS_AT}/google-chrome",
        *relay_files.ELSEWHERE,
        f"{BROWSERS_AT}/{BUILD}/chrome-linux64/chrome",
        f"{BROWSERS_AT}/{BUILD}/chrome-linux/chrome",
        f"{BROWSERS_AT}/{SHELL}/chrome-headless-shell-linux64/chrome-headless-shell",
        f"{BROWSERS_AT}/{SHELL}/chrome-linux/headless_shell",
        *(path for path in in_usr if path not in drivers),
    ]
    script = " && ".join(f"{path} --version" for path in (*paths, *drivers, DRIVER_AT))
    script += f" && test -s {BROWSERS_AT}/{BUILD}/DEPENDENCIES_VALIDATED"
    result = subprocess.run(
        [*sandbox, "/bin/sh", "-c", script], capture_output=True, close_fds=False, timeout=60
    )
    assert result.stderr == b""
    lines = result.stdout.decode().splitlines()
    driver_lines = ["ChromeDriver 156.0.1"] * (len(drivers) + 1)
    assert lines == ["Chromium 156.0.1"] * len(paths) + driver_lines
    assert result.returncode == 0


@pytest.mark.needs("bwrap")
@pytest.mark.parametrize("path", [f"{FIREFOX}/firefox/firefox", "webkit-7/pw_run.sh"])
def test_other_browsers_of_playwright_say_that_they_are_not_there(
    sandbox: list[str], path: str
) -> None:
    result = subprocess.run(
        [*sandbox, f"{BROWSERS_AT}/{path}", "-juggler-pipe"],
        capture_output=True,
        close_fds=False,
        timeout=60,
    )
    assert (result.returncode, result.stdout) == (1, b"")
    assert result.stderr == b"this Fyke has only Chromium: start chromium instead\n"


def test_a_folder_that_the_machine_has_as_a_link_is_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_symlink = Path.is_symlink
    monkeypatch.setattr(
        Path, "is_symlink", lambda path: path == Path("/usr/local") or is_symlink(path)
    )
    fill_layer(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bin", "lib"]
    assert (tmp_path / "bin/google-chrome-stable").readlink() == Path(
        f"{relay_files.PROGRAMS_AT}/google-chrome-stable"
    )
    assert oct((tmp_path / "lib/chromium-browser").stat().st_mode)[-3:] == "755"
