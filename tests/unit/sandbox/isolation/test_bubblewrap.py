"""The argument list of bubblewrap: required options and their order."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fyke.sandbox.isolation import bubblewrap
from fyke.sandbox.isolation.browser_policy import policy
from fyke.sandbox.isolation.bubblewrap import BrowserLayout, Layout, arguments, command
from fyke.sandbox.isolation.python_command import BASE_ENVIRONMENT
from fyke.sandbox.isolation.relay_files import PROGRAM_AT, PROGRAMS_AT, write_needs


def build(
    kind: str = "python",
    environment: Path | None = None,
    empty: Path | None = None,
    devices: Path | None = None,
    *,
    programs: Path | None = None,
    interpreter: bool = False,
    idle: bool = False,
    browser: BrowserLayout | None = None,
) -> tuple[list[str], list[bytes]]:
    files: list[bytes] = []

    def data(content: bytes) -> int:
        files.append(content)
        return 100 + len(files)

    bundle = None if kind == "probe" or browser else Path("/data/cache/bundles/b")
    layout = Layout(
        kind,
        Path("/data/work/A"),
        bundle,
        environment,
        64 * 2**20,
        extras=((Path("/opt/wheels"), "/opt/wheels"),),
        empty=empty,
        programs=programs,
        devices=devices,
        interpreter=interpreter,
        idle=idle,
        browser=browser,
    )
    return arguments(layout, data, 99, 5), files


def has(options: list[str], *words: str) -> bool:
    return any(tuple(options[at : at + len(words)]) == words for at in range(len(options)))


def test_every_layer_of_isolation_has_its_options() -> None:
    options, _ = build()
    for kind in ("user", "pid", "net", "ipc", "uts"):
        assert f"--unshare-{kind}" in options
    for words in (
        ("--disable-userns", "--assert-userns-disabled"),
        ("--cap-drop", "ALL"),
        ("--uid", "1000", "--gid", "1000"),
        ("--die-with-parent", "--new-session"),
        ("--clearenv",),
        ("--seccomp", "99"),
        ("--size", str(64 * 2**20), "--tmpfs", "/tmp"),
        ("--proc", "/proc", "--tmpfs", "/proc/1", "--remount-ro", "/proc/1"),
        ("--remount-ro", "/dev", "--remount-ro", "/"),
    ):
        assert has(options, *words), words


def test_only_the_work_folder_is_writable() -> None:
    options, _ = build(environment=Path("/data/cache/environments/e"))
    binds = [at for at, word in enumerate(options) if word in ("--bind", "--dev-bind")]
    assert [options[at : at + 3] for at in binds] == [["--bind", "/data/work/A", "/work"]]


def test_programs_to_start_a_browser_are_there_for_packages_that_do(tmp_path: Path) -> None:
    environment = tmp_path / "env"
    assert not any(word.startswith(PROGRAMS_AT) for word in build(environment=environment)[0])
    (environment / "playwright").mkdir(parents=True)
    write_needs(environment)
    options, _ = build(environment=environment)
    assert has(options, "--symlink", PROGRAM_AT, f"{PROGRAMS_AT}/google-chrome")
    assert has(build("go")[0], "--symlink", PROGRAM_AT, f"{PROGRAMS_AT}/google-chrome")


def test_paths_of_browsers_in_usr_are_a_layer_only_for_packages_that_start_them() -> None:
    layer = Path("/data/programs")
    empty = Path("/data/empty")
    above = ("--overlay-src", "/usr", "--overlay-src", "/data/programs", "--ro-overlay", "/usr")
    assert has(build("go", None, empty, programs=layer)[0], *above)
    assert not has(build("python", None, empty, programs=layer)[0], *above)


def test_the_root_becomes_read_only_last() -> None:
    options, _ = build()
    after = options[options.index("/", options.index("--remount-ro")) :]
    assert not any(word.startswith(("--bind", "--tmpfs", "--dir")) for word in after)


def test_private_keys_and_name_servers_stay_outside() -> None:
    options, files = build()
    for path in ("/etc", "/etc/ssl", "/etc/resolv.conf", "/home", "/root", "/var", "/sys", "/run"):
        assert not has(options, "--ro-bind", path), path
        assert not has(options, "--ro-bind-try", path), path
    assert b"" in files  # resolv.conf


def test_host_names_in_published_workers_resolve_to_loopback() -> None:
    rows = [row.split() for row in bubblewrap.HOSTS.splitlines()]
    names = {name for row in rows for name in row[1:]}
    assert {row[0] for row in rows} == {"127.0.0.1"}
    for site in ("coreclaw", "cafescraper"):
        for service in ("proxy", "chrome-ws", "chrome-http", "lightpanda"):
            assert f"{service}-inner.{site}.com" in names


@pytest.mark.parametrize(
    ("kind", "target"),
    [("python", "/env"), ("node", "/node_modules"), ("go", "/env"), ("probe", None)],
)
def test_dependencies_are_mounted_where_the_language_finds_them(
    kind: str, target: str | None
) -> None:
    options, _ = build(kind, Path("/data/cache/environments/e"))
    assert has(options, "--ro-bind", "/data/cache/environments/e") is (target is not None)
    if target is not None:
        assert has(options, "--ro-bind", "/data/cache/environments/e", target)


def test_folders_are_mounted_as_overlays_and_devices_of_the_machine_are_not_used() -> None:
    empty, devices = Path("/data/empty"), Path("/data/devices/7")
    options, _ = build("python", Path("/data/cache/environments/e"), empty, devices)
    binds = [options[at + 1] for at, word in enumerate(options) if word.startswith("--ro-bind")]
    assert all(source.isdecimal() or not Path(source).is_dir() for source in binds)
    for source, target in (
        ("/usr", "/usr"),
        ("/data/cache/bundles/b", "/bundle"),
        ("/data/cache/environments/e", "/env"),
    ):
        layers = ("--overlay-src", "/data/empty", "--overlay-src", source)
        assert has(options, *layers, "--ro-overlay", target)
    for name in bubblewrap.DEVICES:
        assert has(options, "--dev-bind", f"/data/devices/7/{name}", f"/dev/{name}")
    assert options.index("/dev/null") > options.index("--dev")


def test_files_of_etc_are_copied_when_every_user_may_read_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    public, private = tmp_path / "public", tmp_path / "private"
    for file in (public, private):
        file.write_text(f"{file.name} content")
    public.chmod(0o644)  # whatever the umask is
    private.chmod(0o640)
    paths = (str(public), str(private), str(tmp_path / "none"))
    monkeypatch.setattr(bubblewrap, "ETC_OF_HOST", paths)
    options, files = build()
    assert files.count(b"public content") == 1
    assert b"private content" not in files
    assert has(options, "--ro-bind-data", str(101 + files.index(b"public content")), str(public))
    assert not {str(private), str(tmp_path / "none")} & set(options)


def test_the_probe_has_the_inspector_and_no_bundle() -> None:
    options, files = build("probe")
    assert "/bundle" not in options
    [number] = [n for n, text in enumerate(files, 101) if b"Observes the isolation" in text]
    assert has(options, "--ro-bind-data", str(number))
    assert bubblewrap.PROBE_AT in options


def test_the_command_is_the_shim_on_the_machines_python() -> None:
    layout = Layout("node", Path("/data/work/A"), None, None, 2**20)
    assert command(layout, 5) == ["/usr/bin/python3", "-I", "-B", "-S", "/run/fyke/shim.pyc", "5"]
    assert "--setenv" not in build("node")[0]


@pytest.mark.parametrize(
    ("environment", "program", "path"),
    [
        (None, "/usr/bin/python3", "/usr/local/bin:/usr/bin:/bin"),
        (Path("/data/e"), "/env/bin/python", "/env/bin:/usr/local/bin:/usr/bin:/bin"),
    ],
)
def test_an_interpreter_starts_with_the_variables_of_its_worker(
    environment: Path | None, program: str, path: str
) -> None:
    layout = Layout("python", Path("/data/work/A"), None, environment, 2**20, interpreter=True)
    assert command(layout, 5) == [program, "main.py"]
    options, files = build("python", environment, interpreter=True)
    starts = [at for at, word in enumerate(options) if word == "--setenv"]
    variables = {options[at + 1]: options[at + 2] for at in starts}
    assert variables == BASE_ENVIRONMENT | {
        "PATH": path,
        "PYTHONPATH": "/run/fyke",
        "FYKE_CONTROL": "5",
    }
    assert min(starts) > options.index("--clearenv")
    [number] = [n for n, text in enumerate(files, 101) if b"``sitecustomize``" in text]
    assert has(options, "--ro-bind-data", str(number), "/run/fyke/sitecustomize.pyc")
    assert has(build(interpreter=True, idle=True)[0], "--setenv", "FYKE_IDLE", "1")


BROWSER = BrowserLayout({"chromium": "/usr/lib/chromium/chromium"}, "", True, {7: 8192}, "chromium")


def test_a_browser_has_memory_instead_of_a_work_folder() -> None:
    options, files = build("browser", empty=Path("/data/empty"), browser=BROWSER)
    size = str(64 * 2**20)
    assert has(options, "--size", size, "--tmpfs", "/work")
    assert has(options, "--size", size, "--tmpfs", "/tmp")
    assert has(options, "--size", str(bubblewrap.BROWSER_SHM_BYTES), "--tmpfs", "/dev/shm")
    assert "--bind" not in options
    assert has(options, "--ro-bind", "/data/work/A", "/run/fyke/work")
    for path in ("/bundle", "/env", "/run/fyke/shim.pyc", bubblewrap.PROBE_AT):
        assert path not in options
    [settings] = [json.loads(text) for text in files if text.startswith(b'{"programs"')]
    assert settings == {
        "programs": BROWSER.programs,
        "driver": "",
        "own_sandbox": True,
        "limits": [[7, 8192]],
        "start": "chromium",
        "cache": False,
        "display": "",
        "inspector": "",
    }
    wrapper = next(n for n, text in enumerate(files, 101) if text.startswith(b"#!/usr/bin/python3"))
    assert has(options, "--perms", "0555", "--ro-bind-data", str(wrapper), "/run/fyke/chromium")
    number = files.index(policy()) + 101
    assert has(options, "--ro-bind-data", str(number), bubblewrap.POLICY_AT)
    assert b"127.0.0.1 localhost worker\n" in files  # and none of the names of services
    layout = Layout("browser", Path("/data/work/A"), None, None, 2**20, browser=BROWSER)
    at = "/run/fyke/browser_host.pyc"
    assert command(layout, 5) == ["/usr/bin/python3", "-I", "-B", "-S", at, "5"]
    assert command(layout, 5, 6)[-2:] == ["5", "6"]  # with a saved cache


def test_only_a_browser_with_a_sandbox_of_its_own_may_create_user_namespaces() -> None:
    words = ("--disable-userns", "--assert-userns-disabled")
    assert not has(build("browser", browser=BROWSER)[0], *words)
    outer = BrowserLayout(BROWSER.programs, "", False, {})
    assert has(build("browser", browser=outer)[0], *words)


def test_the_inspector_is_in_the_probe_of_a_browser_only() -> None:
    options, files = build("browser-probe", browser=BROWSER)
    assert bubblewrap.PROBE_AT in options
    [settings] = [json.loads(text) for text in files if text.startswith(b'{"programs"')]
    assert settings["inspector"] == bubblewrap.PROBE_AT
