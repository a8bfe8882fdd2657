"""The evaluation of what was observed of a sandbox; observing needs a real sandbox."""

from __future__ import annotations

import errno
from dataclasses import replace
from typing import Any

import pytest

from fyke.sandbox.isolation import bubblewrap, checks, inspector
from fyke.sandbox.isolation.checks import Check
from fyke.sandbox.isolation.host_inspection import HostView
from fyke.sandbox.isolation.seccomp import FilterRules
from unit.sandbox.isolation.test_seccomp import run as verdict

OURS = {kind: f"{kind}:[1]" for kind in inspector.NAMESPACES}
TMP_SIZE = 64 * 2**20
GOOD: dict[str, Any] = {
    "uid": 1000,
    "namespaces": {kind: f"{kind}:[2]" for kind in OURS},
    "host_name": "worker",
    "session": 1,
    "terminal": "ENXIO",
    "seccomp": "2",
    "no_new_privs": "1",
    "capabilities": ["0" * 16] * 5,
    "calls": {name: checks.EXPECTED.get(name, "EPERM") for name in checks.samples("x86_64")},
    "typing": "EPERM",
    "interfaces": ["lo"],
    "canary": "ECONNREFUSED",
    "resolver": "",
    "processes": [1, 2],
    "first_process": "ENOENT",
    "first_process_shows": [],
    "writable": [],
    "root": ["usr", "lib", "bin", "etc", "proc", "dev", "tmp", "run", "work"],
    "mounts": [
        ("/", ["ro", "nosuid", "nodev"]),
        ("/work", ["rw", "nosuid", "nodev"]),
        ("/dev", ["ro", "nosuid", "nodev"]),
        ("/dev/null", ["rw", "nosuid"]),
    ],
    "sizes": {"/tmp": TMP_SIZE, "/dev/shm": bubblewrap.DEV_SHM_BYTES},
    "descriptors": {"0": "/dev/null", "1": "pipe:[1]", "2": "pipe:[2]"},
    "environment": ["PATH", "HOME", "FYKE_CALLS"],
    "core": 0,
    "inodes": {"/usr": [50, 7], "/dev/null": [51, 8]},
    "watch": "done",
}
OUTSIDE = HostView(
    0,
    ("/usr/bin/bwrap", "--args", "9", "--", "/usr/bin/python3"),
    "ENOSPC",
    True,
    {"/usr": [1, 7], "/dev/null": [2, 8]},
)


def checks_of(
    changes: dict[str, Any], outside: HostView = OUTSIDE, user: int = 30_000
) -> list[Check]:
    return checks.evaluate(GOOD | changes, outside, user, OURS, TMP_SIZE)


def failed(**changes: Any) -> list[str]:
    return [name for name, passed, _ in checks_of(changes) if not passed]


def test_every_layer_of_isolation_is_effective() -> None:
    assert failed() == []
    assert len(checks_of({})) >= 30


def calls(**answers: str) -> dict[str, Any]:
    return {"calls": GOOD["calls"] | answers}


@pytest.mark.parametrize(
    ("changes", "check"),
    [
        ({"uid": 0}, "user namespace"),
        ({"seccomp": "0"}, "seccomp"),
        ({"seccomp": "1"}, "seccomp"),
        *[
            (calls(**{name: "EFAULT"}), "seccomp")
            for name in checks.samples("x86_64")
            if name != "vsock"
        ],
        *[
            (calls(**{name: "done"}), "seccomp")
            for name in ("unshare", "clone of a user namespace")
        ],
        ({"typing": "ENOTTY"}, "seccomp"),
        (calls(vsock="done"), "vsock"),
        (calls(vsock="EPERM"), "vsock"),
        ({"interfaces": ["lo", "eth0"]}, "network"),
        ({"canary": "connected"}, "network"),
        ({"resolver": "nameserver 192.0.2.1"}, "no name server"),
        ({"processes": list(range(1, 90))}, "proc"),
        ({"first_process": "opened"}, "process 1"),
        ({"first_process_shows": ["environ"]}, "process 1"),
        ({"capabilities": ["0" * 16] * 4 + ["000001ffffffffff"]}, "capabilities"),
        ({"no_new_privs": "0"}, "no new privileges"),
        ({"writable": ["/dev"]}, "read-only system"),
        ({"mounts": [("/usr", ["rw", "nosuid", "nodev"])]}, "read-only system"),
        ({"mounts": [("/usr", ["ro", "nodev"])]}, "no set-id"),
        ({"mounts": [("/usr", ["ro", "nosuid"])]}, "no devices"),
        ({"root": [*GOOD["root"], "home"]}, "files of the machine"),
        ({"sizes": GOOD["sizes"] | {"/tmp": 2**40}}, "memory file systems"),
        ({"sizes": GOOD["sizes"] | {"/dev/shm": 0}}, "memory file systems"),
        ({"session": 0}, "session"),
        ({"terminal": "opened"}, "session"),
        ({"host_name": "db-1.example"}, "host name"),
        ({"descriptors": GOOD["descriptors"] | {"0": "/dev/pts/1"}}, "descriptors"),
        ({"descriptors": GOOD["descriptors"] | {"7": "socket:[9]"}}, "descriptors"),
        ({"environment": ["PATH", "AWS_SECRET_ACCESS_KEY"]}, "environment"),
        ({"core": -1}, "core files"),
        ({"inodes": {"/usr": [1, 7]}}, "watches"),
        ({"inodes": {"/dev/null": [2, 8]}, "watch": "EMFILE"}, "watches"),
    ],
)
def test_each_isolation_check_is_evaluated(changes: dict[str, Any], check: str) -> None:
    assert failed(**changes) == [check]


@pytest.mark.parametrize("kind", OURS)
def test_a_namespace_shared_with_the_host_fails_the_check(kind: str) -> None:
    [name] = failed(namespaces=GOOD["namespaces"] | {kind: OURS[kind]})
    assert "namespace" in name


@pytest.mark.parametrize(
    ("outside", "check"),
    [
        (replace(OUTSIDE, nesting="done"), "nested user namespaces"),
        (replace(OUTSIDE, nesting="EPERM"), "nested user namespaces"),
        (replace(OUTSIDE, nesting="setns: EINVAL"), "nested user namespaces"),
        (replace(OUTSIDE, environment=812), "environment of process 1"),
        (
            replace(OUTSIDE, command_line=("/usr/bin/bwrap", "--bind", "/srv")),
            "options out of sight",
        ),
        (
            replace(OUTSIDE, command_line=("/usr/bin/bwrap", "--args", "9", "--x")),
            "options out of sight",
        ),
    ],
)
def test_each_isolation_check_from_outside_is_evaluated(outside: HostView, check: str) -> None:
    assert [name for name, passed, _ in checks_of({}, outside) if not passed] == [check]


def test_locks_on_shared_inodes_are_named_where_watches_are_refused() -> None:
    outside = replace(OUTSIDE, own_files="bubblewrap is old")
    shared: dict[str, Any] = {"inodes": dict(outside.inodes), "watch": "ENOSYS"}
    [detail] = [d for name, passed, d in checks_of(shared, outside) if name == "watches" and passed]
    expected = "file locks on /usr and 1 more are shared with other sandboxes: bubblewrap is old"
    assert detail == f"starting a watch returned ENOSYS; {expected}"
    assert checks.shared_locks(GOOD | shared, outside) == expected
    assert checks.shared_locks(GOOD, outside) == ""


def test_user_0_outside_fails_the_check() -> None:
    assert [n for n, passed, _ in checks_of({}, user=0) if not passed] == ["unprivileged user"]


@pytest.mark.parametrize("rules", FilterRules)
def test_the_filter_returns_the_expected_error_for_every_sample(rules: FilterRules) -> None:
    all_samples = checks.samples("x86_64") | checks.samples("x86_64", FilterRules.BROWSER)
    assert set(checks.EXPECTED) <= set(all_samples)
    for machine in ("x86_64", "aarch64"):
        for name, (number, arguments) in checks.samples(machine, rules).items():
            expected = checks.EXPECTED.get(name, "EPERM")
            unsigned = [value % 2**64 for value in arguments]
            result = verdict(machine, number, *unsigned, rules=rules)
            assert result == getattr(errno, expected), name


def browser_checks(
    changes: dict[str, Any], outside: HostView, *, own_sandbox: bool = True
) -> list[str]:
    """The names of the checks that fail in a browser's sandbox."""
    inside = GOOD | {
        "calls": {
            name: checks.EXPECTED.get(name, "EPERM")
            for name in checks.samples("x86_64", FilterRules.BROWSER)
        },
        "processes": list(range(1, 20)),
        "root": [*GOOD["root"], "var"],
        "sizes": GOOD["sizes"] | {"/dev/shm": bubblewrap.BROWSER_SHM_BYTES},
    }
    results = checks.evaluate_browser(
        inside | changes, outside, 30_000, OURS, TMP_SIZE, refusal="" if own_sandbox else "refused"
    )
    return [name for name, passed, _ in results if not passed]


def test_a_browser_is_checked_for_its_own_sandbox_too() -> None:
    inside = replace(OUTSIDE, nesting="done", isolated=2)
    assert browser_checks({}, inside) == []
    assert browser_checks({}, replace(inside, isolated=0)) == [checks.OWN_SANDBOX]
    assert browser_checks({}, OUTSIDE, own_sandbox=False) == [checks.OWN_SANDBOX]
    without = browser_checks({}, inside, own_sandbox=False)
    assert without == ["nested user namespaces", checks.OWN_SANDBOX]


@pytest.mark.parametrize(
    ("changes", "check"),
    [
        ({"processes": list(range(1, 90))}, "proc"),
        ({"root": [*GOOD["root"], "var", "home"]}, "files of the machine"),
        ({"sizes": GOOD["sizes"]}, "memory file systems"),
        ({"interfaces": ["lo", "eth0"]}, "network"),
        ({"canary": "connected"}, "network"),
        ({"capabilities": ["0" * 16] * 4 + ["000001ffffffffff"]}, "capabilities"),
    ],
)
def test_the_layers_of_a_browser_are_evaluated(changes: dict[str, Any], check: str) -> None:
    assert browser_checks(changes, replace(OUTSIDE, isolated=1)) == [check]
