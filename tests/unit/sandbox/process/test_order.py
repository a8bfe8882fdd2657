"""Launch orders of a client that the launcher does not trust."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fyke.sandbox.process.order import TOOL_KINDS, BadLaunchOrder, LaunchOrder, check_name, parse


@pytest.fixture
def good(tmp_path: Path) -> LaunchOrder:
    bundle = tmp_path / "cache" / "bundles" / "b"
    environment = tmp_path / "cache" / "environments" / "e"
    bundle.mkdir(parents=True)
    environment.mkdir(parents=True)
    return LaunchOrder("01ARZ3", "python", bundle, environment, 0.5, 2**26, 64, 2**24, 2**30)


def test_a_good_order_survives_the_crossing(good: LaunchOrder, tmp_path: Path) -> None:
    assert parse(good.to_message(), tmp_path) == good
    bare = replace(good, environment=None, kind="go", cpus=2)
    assert parse(bare.to_message(), tmp_path) == bare


def test_the_probe_takes_no_bundle(good: LaunchOrder, tmp_path: Path) -> None:
    probe = replace(good, kind="probe", bundle=None, environment=None)
    assert parse(probe.to_message(), tmp_path) == probe
    for wrong in (replace(probe, bundle=good.bundle), replace(good, bundle=None)):
        with pytest.raises(BadLaunchOrder, match="bundle"):
            parse(wrong.to_message(), tmp_path)


@pytest.mark.parametrize("name", ["A", "0", "-", "01HZX-9", "A" * 64])
def test_good_names(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize("name", ["", "a", ".", "..", "A/B", "A B", "A" * 65, "A\n", "É", None, 1])
def test_bad_names(name: Any) -> None:
    with pytest.raises(BadLaunchOrder, match="1 to 64 characters"):
        check_name(name)


def test_every_field_must_be_there(good: LaunchOrder, tmp_path: Path) -> None:
    for field in good.to_message():
        message = good.to_message()
        del message[field]
        if field == "environment":
            assert parse(message, tmp_path).environment is None
            continue
        if field == "cache":
            assert parse(message, tmp_path).cache == ""
            continue
        with pytest.raises(BadLaunchOrder, match=field):
            parse(message, tmp_path)


def test_folders_that_are_not_mounted(good: LaunchOrder, tmp_path: Path) -> None:
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
                parse(good.to_message() | {field: path}, tmp_path)


def test_a_tool_has_a_cache_by_name_and_no_environment(good: LaunchOrder, tmp_path: Path) -> None:
    for kind in TOOL_KINDS:
        tool = replace(good, kind=kind, environment=None, cache="01ARZ3-UV")
        assert parse(tool.to_message(), tmp_path) == tool
        bare = replace(tool, bundle=None, cache="")
        assert parse(bare.to_message(), tmp_path) == bare
        with pytest.raises(BadLaunchOrder, match="environment"):
            parse(replace(good, kind=kind).to_message(), tmp_path)


@pytest.mark.parametrize("name", ["..", "A/B", "a", "A" * 65, "A\n", None, 5, ["A"], "/etc"])
def test_caches_that_are_not_a_plain_word(good: LaunchOrder, tmp_path: Path, name: Any) -> None:
    message = replace(good, kind="uv", environment=None).to_message()
    with pytest.raises(BadLaunchOrder, match="cache"):
        parse(message | {"cache": name}, tmp_path)


def test_a_worker_has_no_cache(good: LaunchOrder, tmp_path: Path) -> None:
    with pytest.raises(BadLaunchOrder, match="only a tool"):
        parse(good.to_message() | {"cache": "A"}, tmp_path)
