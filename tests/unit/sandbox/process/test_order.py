"""Launch orders from a client that the launcher does not trust."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fyke.sandbox.isolation.bubblewrap import BROWSER_KINDS
from fyke.sandbox.process.order import (
    TOOL_KINDS,
    Assignment,
    BadLaunchOrder,
    LaunchOrder,
    check_name,
    listeners_of,
    parse,
    parse_assignment,
)


@pytest.fixture
def valid(tmp_path: Path) -> LaunchOrder:
    bundle = tmp_path / "cache" / "bundles" / "b"
    environment = tmp_path / "cache" / "environments" / "e"
    bundle.mkdir(parents=True)
    environment.mkdir(parents=True)
    return LaunchOrder("01ARZ3", "python", bundle, environment, 0.5, 2**26, 64, 2**24, 2**30)


def test_a_valid_order_round_trips_through_a_message(valid: LaunchOrder, tmp_path: Path) -> None:
    assert parse(valid.to_message(), tmp_path) == valid
    bare = replace(valid, environment=None, kind="go", cpus=2)
    assert parse(bare.to_message(), tmp_path) == bare


def test_the_probe_takes_no_bundle(valid: LaunchOrder, tmp_path: Path) -> None:
    probe = replace(valid, kind="probe", bundle=None, environment=None)
    assert parse(probe.to_message(), tmp_path) == probe
    for wrong in (replace(probe, bundle=valid.bundle), replace(valid, bundle=None)):
        with pytest.raises(BadLaunchOrder, match="bundle"):
            parse(wrong.to_message(), tmp_path)


@pytest.fixture
def browser(valid: LaunchOrder) -> LaunchOrder:
    return replace(
        valid,
        kind="browser",
        bundle=None,
        environment=None,
        open_files=8192,
        own_sandbox=True,
        program="chromium",
        display=True,
    )


@pytest.mark.parametrize("kind", BROWSER_KINDS)
def test_a_browser_has_nothing_of_a_worker(
    browser: LaunchOrder, valid: LaunchOrder, tmp_path: Path, kind: str
) -> None:
    order = replace(browser, kind=kind)
    assert parse(order.to_message(), tmp_path) == order
    for change in (
        {"bundle": str(valid.bundle)},
        {"environment": str(valid.environment)},
        {"cache": "A/B"},
        {"idle": True},
        {"interpreter": True},
        {"open_files": 0},
        {"open_files": "8192"},
        {"open_files": None},
        {"program": "firefox"},
        {"program": None},
    ):
        with pytest.raises(BadLaunchOrder, match=next(iter(change))):
            parse(order.to_message() | change, tmp_path)


@pytest.mark.parametrize(
    "change",
    [{"open_files": 8192}, {"own_sandbox": True}, {"program": "chromium"}, {"display": True}],
    ids=str,
)
@pytest.mark.parametrize("kind", ["python", "uv", "probe"])
def test_only_a_browser_has_its_fields(
    valid: LaunchOrder, tmp_path: Path, kind: str, change: dict[str, Any]
) -> None:
    bundle = valid.bundle if kind == "python" else None
    order = replace(valid, kind=kind, bundle=bundle, environment=None)
    with pytest.raises(BadLaunchOrder, match=next(iter(change))):
        parse(order.to_message() | change, tmp_path)


def test_the_first_process_of_a_browser_passes_one_listener_out() -> None:
    assert {kind: listeners_of(kind) for kind in ("browser", "browser-probe", "go", "uv")} == {
        "browser": 1,
        "browser-probe": 1,
        "go": 4,
        "uv": 4,
    }


@pytest.mark.parametrize("name", ["A", "0", "-", "01HZX-9", "A" * 64])
def test_valid_names_are_accepted(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize("name", ["", "a", ".", "..", "A/B", "A B", "A" * 65, "A\n", "É", None, 1])
def test_invalid_names_are_refused(name: Any) -> None:
    with pytest.raises(BadLaunchOrder, match="1 to 64 characters"):
        check_name(name)


def test_every_field_without_a_default_is_required(valid: LaunchOrder, tmp_path: Path) -> None:
    for field in valid.to_message():
        message = valid.to_message()
        del message[field]
        if field == "environment":
            assert parse(message, tmp_path).environment is None
            continue
        if field in ("cache", "program"):
            assert getattr(parse(message, tmp_path), field) == ""
            continue
        if field in ("idle", "interpreter", "own_sandbox", "display"):
            assert getattr(parse(message, tmp_path), field) is False
            continue
        if field == "open_files":
            assert parse(message, tmp_path).open_files == 0
            continue
        with pytest.raises(BadLaunchOrder, match=field):
            parse(message, tmp_path)


@pytest.mark.parametrize("value", [0, 1, "", "true", None])
@pytest.mark.parametrize("field", ["idle", "interpreter", "own_sandbox", "display"])
def test_flags_are_true_or_false(
    valid: LaunchOrder, tmp_path: Path, field: str, value: Any
) -> None:
    with pytest.raises(BadLaunchOrder, match=rf"{field} .*: must be true or false"):
        parse(valid.to_message() | {field: value}, tmp_path)


@pytest.mark.parametrize("kind", ["node", "go", "probe", *TOOL_KINDS])
def test_only_a_python_worker_starts_with_its_interpreter(
    valid: LaunchOrder, tmp_path: Path, kind: str
) -> None:
    bundle = None if kind == "probe" else valid.bundle
    order = replace(valid, kind=kind, bundle=bundle, environment=None, interpreter=True)
    with pytest.raises(BadLaunchOrder, match="interpreter: only a Python Worker has one"):
        parse(order.to_message(), tmp_path)
    assert parse(replace(valid, interpreter=True).to_message(), tmp_path).interpreter


@pytest.mark.parametrize("kind", ["probe", *TOOL_KINDS])
def test_only_the_sandbox_of_a_worker_is_idle(
    valid: LaunchOrder, tmp_path: Path, kind: str
) -> None:
    bundle = None if kind == "probe" else valid.bundle
    order = replace(valid, kind=kind, bundle=bundle, environment=None, idle=True)
    with pytest.raises(BadLaunchOrder, match="idle: only the sandbox of a Worker"):
        parse(order.to_message(), tmp_path)
    assert parse(replace(valid, idle=True).to_message(), tmp_path).idle


def test_an_assignment_round_trips_through_a_message() -> None:
    assignment = Assignment(cpus=0.5, memory=2**28, work_size=2**30)
    assert parse_assignment(assignment.to_message()) == assignment


@pytest.mark.parametrize(
    "change",
    [
        {"cpus": 0},
        {"cpus": True},
        {"cpus": float("nan")},
        {"memory": 1},
        {"memory": 2.0**28},
        {"memory": "67108864"},
        {"work_size": -1},
        {"work_size": None},
    ],
    ids=str,
)
def test_an_assignment_with_a_bad_limit_names_it(change: dict[str, Any]) -> None:
    message = Assignment(0.5, 2**28, 2**30).to_message()
    with pytest.raises(BadLaunchOrder, match=next(iter(change))):
        parse_assignment(message | change)


def test_only_folders_inside_the_cache_may_be_mounted(valid: LaunchOrder, tmp_path: Path) -> None:
    (tmp_path / "cache" / "link").symlink_to("/etc")
    (tmp_path / "cache" / "file").write_text("")
    for path in (
        *("/etc", "cache/bundles/b", str(tmp_path), str(tmp_path / "cache"), "/", "\0", ""),
        str(tmp_path / "cache" / "link"),
        str(tmp_path / "cache" / "link" / "ssl"),
        str(tmp_path / "cache" / "file"),
        str(tmp_path / "cache" / "none"),
        str(tmp_path / "cache" / "bundles" / ".." / ".." / ".."),
    ):
        for field in ("bundle", "environment"):
            with pytest.raises(BadLaunchOrder, match=field):
                parse(valid.to_message() | {field: path}, tmp_path)


def test_a_tool_may_have_a_cache_and_no_environment(valid: LaunchOrder, tmp_path: Path) -> None:
    for kind in TOOL_KINDS:
        tool = replace(valid, kind=kind, environment=None, cache="01ARZ3-UV")
        assert parse(tool.to_message(), tmp_path) == tool
        bare = replace(tool, bundle=None, cache="")
        assert parse(bare.to_message(), tmp_path) == bare
        with pytest.raises(BadLaunchOrder, match="environment"):
            parse(replace(valid, kind=kind).to_message(), tmp_path)


@pytest.mark.parametrize("name", ["..", "A/B", "a", "A" * 65, "A\n", None, 5, ["A"], "/etc"])
def test_invalid_cache_names_are_refused(valid: LaunchOrder, tmp_path: Path, name: Any) -> None:
    message = replace(valid, kind="uv", environment=None).to_message()
    with pytest.raises(BadLaunchOrder, match="cache"):
        parse(message | {"cache": name}, tmp_path)


def test_a_browser_may_start_with_a_saved_cache_and_its_probe_not(
    browser: LaunchOrder, tmp_path: Path
) -> None:
    order = replace(browser, cache="RUN-01ARZ3")
    assert parse(order.to_message(), tmp_path) == order
    with pytest.raises(BadLaunchOrder, match="only a tool and a browser"):
        parse(replace(order, kind="browser-probe").to_message(), tmp_path)


def test_a_worker_has_no_cache(valid: LaunchOrder, tmp_path: Path) -> None:
    with pytest.raises(BadLaunchOrder, match="only a tool"):
        parse(valid.to_message() | {"cache": "A"}, tmp_path)
