"""The arguments of Chromium: those that are dropped, and ours, which come last."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from fyke.browser.host import _is_switch
from fyke.sandbox.isolation import browser_program
from fyke.sandbox.isolation.browser_program import PAGE, arguments, profile_of


def given(
    *words: str,
    program: str = "headless-shell",
    own_sandbox: bool = True,
    display: bool = False,
) -> list[str]:
    found, _ = arguments(
        list(words), program=program, profile="/work/p1", own_sandbox=own_sandbox, display=display
    )
    return found


def dropped(*words: str) -> list[str]:
    _, names = arguments(
        list(words), program="chromium", profile="/work/p1", own_sandbox=True, display=False
    )
    return names


def test_the_folder_of_the_cache_is_that_of_the_host_or_of_the_profile() -> None:
    other = "--disk-cache-dir=/tmp/other"
    assert not [word for word in given(other) if "disk-cache-dir" in word]
    for program, folder in (
        ("chromium", "/work/cache"),
        ("headless-shell", "/work/cache/Default/Cache"),
    ):
        words, _ = arguments(
            [other],
            program=program,
            profile="/work/p1",
            own_sandbox=True,
            display=False,
            cache="/work/cache",
        )
        assert [word for word in words if "disk-cache" in word][-1] == f"--disk-cache-dir={folder}"
        assert other not in words


@pytest.mark.parametrize(
    "argument",
    [
        "--no-sandbox",
        "-no-sandbox",
        "--disable-setuid-sandbox",
        "--disable-seccomp-filter-sandbox",
        "--disable-namespace-sandbox",
        "--disable-gpu-sandbox",
        "--no-zygote",
        "--no-zygote-sandbox",
        "--single-process",
        "--proxy-server=direct://",
        "--proxy-pac-url=data:,",
        "--proxy-auto-detect",
        "--proxy-bypass-list=*",
        "--no-proxy-server",
        "--host-rules=MAP * 1.2.3.4",
        "--host-resolver-rules=MAP * 1.2.3.4",
        "--dns-over-https-templates=https://x",
        "--remote-allow-origins=*",
        "--remote-debugging-address=0.0.0.0",
        "--remote-debugging-pipe",
        "--load-extension=/tmp/x",
        "--renderer-cmd-prefix=/tmp/x",
        "--utility-cmd-prefix=/tmp/x",
        "--gpu-launcher=/tmp/x",
        "--browser-subprocess-path=/tmp/x",
        "--component-updater=url-source=http://x",
        "--gaia-url=http://x",
        "--google-base-url=http://x",
        "--google-apis-url=http://x",
        "--type=renderer",
        "--log-file=/work/x",
        "--enable-blink-features=MojoJS,X",
        "--enable-blink-features=X,MojoJSTest",
        "--js-flags=--no-wasm-bounds-checks",
        "--js-flags=--expose-gc --nowasm_bounds_checks",
        "--js-flags=--no_wasm_enforce_bounds_checks",
        "file:///etc/passwd",
        "chrome://settings",
        "javascript:1",
    ],
)
def test_arguments_against_the_sandbox_or_the_proxy_are_dropped(argument: str) -> None:
    assert argument not in given(argument)


@pytest.mark.parametrize(
    "argument",
    [
        "--proxy-server=http://proxy.example:8080",
        "--proxy-server=http://127.0.0.1:8080",  # a proxy of the Worker, which forwards to another
        "--proxy-server=https://127.0.0.1:1080.example",
        "--proxy-pac-url=data:,",
        "--host-resolver-rules=MAP * 1.2.3.4",
        "--load-extension=/tmp/x",
        "--single-process",
        "file:///etc/passwd",
    ],
)
def test_what_changes_the_browser_is_reported(argument: str) -> None:
    assert argument not in given(argument)
    name = argument.lstrip("-").partition("=")[0] if argument.startswith("-") else PAGE
    assert dropped(argument) == [name]
    assert _is_switch(name)  # what the gateway reports


@pytest.mark.parametrize(
    "argument",
    [
        "--no-sandbox",
        "--disable-setuid-sandbox",
        "--remote-debugging-pipe",
        "--remote-allow-origins=*",
        "--enable-logging",
        "--proxy-bypass-list=<-loopback>",
        "--proxy-server=127.0.0.1:1080",
        "--proxy-server=http://127.0.0.1:1080",
        "--proxy-server=http://a:b@proxy-inner.coreclaw.com:6000/",
    ],
)
def test_what_libraries_add_by_themselves_is_not_reported(argument: str) -> None:
    assert dropped(argument) == []


@pytest.mark.parametrize(
    "argument",
    [
        "--lang=de",
        "--window-size=800,600",
        "--user-agent=Mozilla/5.0",
        "--disable-blink-features=AutomationControlled",
        "--blink-settings=imagesEnabled=false",
        "--mute-audio",
        "--enable-automation",
        "--js-flags=--max-old-space-size=200",
        "--enable-blink-features=X",
    ],
)
def test_other_arguments_are_kept_before_ours(argument: str) -> None:
    words = given(argument)
    assert words[0] == argument
    assert dropped(argument) == []


def test_only_a_chromium_with_a_display_has_windows() -> None:
    asked = "--headless", "--ozone-platform=headless"
    assert "--headless=new" in given(*asked, program="chromium")
    words = given(*asked, program="chromium", display=True)
    assert not [word for word in words if word.startswith("--headless")]
    platforms = [word for word in words if word.startswith("--ozone-platform=")]
    assert platforms[-1] == "--ozone-platform=x11"


def test_ours_are_always_there() -> None:
    words = given()
    assert set(browser_program.OURS) <= set(words)
    assert "--user-data-dir=/work/p1" in words
    assert "--proxy-server=http://127.0.0.1:1080" in words
    assert not [word for word in words if "remote-allow-origins" in word]
    assert words[-1] == "about:blank"


def test_the_last_value_of_a_switch_is_ours() -> None:
    words = given("--remote-debugging-port=9222", "--disk-cache-size=1", "--headless=old")
    last = {word.partition("=")[0]: word for word in words}
    assert last["--remote-debugging-port"] == "--remote-debugging-port=0"
    assert last["--disk-cache-size"] == "--disk-cache-size=67108864"
    assert "--headless" not in last
    assert dropped("--remote-debugging-port=9222", "--headless", "--user-data-dir=/home/x") == []


def test_pages_are_the_last_arguments() -> None:
    assert given("https://site.test/", "--lang=de")[-1] == "https://site.test/"
    assert given("data:,")[-1] == "data:,"


def test_only_the_full_browser_has_a_mode() -> None:
    assert "--headless=new" in given(program="chromium")
    assert "--headless=new" not in given()


def test_without_a_sandbox_of_its_own_it_is_told_so() -> None:
    assert "--no-sandbox" not in given()
    assert "--no-sandbox" in given(own_sandbox=False)


def test_features_are_merged_and_ours_win() -> None:
    words = given(
        "--disable-features=A,MediaRouter,SkipListAccountsWithoutGaiaCookies",
        "--disable-features=B",
        "--enable-features=C,Translate,OptimizationHints<Study,MediaRouter:x/y, AimEnabled,MojoJS",
    )
    [off] = [word for word in words if word.startswith("--disable-features=")]
    [on] = [word for word in words if word.startswith("--enable-features=")]
    off_names, on_names = off.partition("=")[2].split(","), on.partition("=")[2].split(",")
    assert off_names[:2] == ["A", "MediaRouter"]
    assert "B" in off_names
    assert set(browser_program.DISABLED_FEATURES) <= set(off_names)
    assert len(off_names) == len(set(off_names))
    assert on_names == ["C", *browser_program.ENABLED_FEATURES]
    assert not set(on_names) & set(off_names)


@pytest.mark.parametrize(
    ("words", "profile", "expected"),
    [
        ([], "/work/p3", "/work/p3"),
        (["--user-data-dir=/tmp/x"], "/work/p3", "/work/p3"),
        (["--user-data-dir=/tmp/scoped_dir1"], "", "/tmp/scoped_dir1"),
        (["--user-data-dir=/work/own"], "", "/work/own"),
        (["--user-data-dir=/tmp/../run/x"], "", "/work/d7"),
        (["--user-data-dir=/home/x"], "", "/work/d7"),
        (["--user-data-dir=relative"], "", "/work/d7"),
        ([], "", "/work/d7"),
    ],
)
def test_the_profile_is_in_memory(words: list[str], profile: str, expected: str) -> None:
    assert profile_of(words, profile, 7) == expected


# Chromium removes blanks around an argument
GIVEN = "--single-process"
BLANKS_AROUND = (f" {GIVEN}", f"{GIVEN} ", f"\t{GIVEN}\n", f"{GIVEN}\v\f\r")


def test_it_reports_and_becomes_the_program(tmp_path: Path) -> None:
    """With the paths of the sandbox replaced."""
    program = tmp_path / "program"
    program.write_text('#!/bin/sh\necho "$FYKE_PROGRAM$FYKE_PROFILE" "$@"\n')
    program.chmod(0o755)
    settings = {"programs": {"chromium": str(program)}, "own_sandbox": True, "display": ""}
    (tmp_path / "settings").write_text(json.dumps(settings))
    name = f"fyke-test-{os.getpid()}"
    code = Path(browser_program.__file__).read_text()
    code = code.replace("/run/fyke/browser.json", str(tmp_path / "settings"))
    code = code.replace("fyke-browser-host", name)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"\0{name}")
        listener.listen(1)
        environment = {"FYKE_PROGRAM": "chromium", "FYKE_PROFILE": "/work/p9"}
        process = subprocess.Popen(
            [sys.executable, "-I", "-c", code, "--lang=de", *BLANKS_AROUND],
            env=environment,
            stdout=subprocess.PIPE,
        )
        connection, _ = listener.accept()
        with connection:
            report = json.loads(connection.makefile("rb").read())
        out, _ = process.communicate(timeout=20)
    assert report == {"profile": "/work/p9", "dropped": ["single-process"] * 4}
    words = out.decode().split()
    assert words[0] == "--lang=de"  # and none of our variables
    assert "--user-data-dir=/work/p9" in words
    asked = subprocess.run(
        [sys.executable, "-I", "-c", code, "--version"],
        env=environment,
        capture_output=True,
        check=True,
    )
    assert asked.stdout.split() == [b"/work/p9", b"--version"]
