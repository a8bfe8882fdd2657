"""The files for containers allow what sandboxes need, and nothing that opens the machine."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
CONTAINER = ROOT / "deploy" / "container"
sys.path.insert(0, str(ROOT / "script" / "lib"))

import seccomp_profile  # noqa: E402

OPTIONS = (CONTAINER / "podman-options").read_text().split()
PAGE = (ROOT / "docs" / "how-to" / "containers.md").read_text()


def test_the_profile_is_that_of_the_tables_of_system_calls() -> None:
    """If this fails: python script/lib/seccomp_profile.py"""
    assert seccomp_profile.FILE.read_text() == seccomp_profile.text()


def test_a_container_may_make_sandboxes_and_no_call_of_the_machine() -> None:
    allowed, sockets, denied = seccomp_profile.profile()["syscalls"]
    assert {"unshare", "mount", "pivot_root", "sethostname", "setns"} <= set(allowed["names"])
    refused = {"bpf", "init_module", "kexec_load", "ptrace", "reboot", "open_by_handle_at"}
    assert refused | {"keyctl", "io_uring_setup", "mount_setattr"} <= set(denied["names"])
    assert not set(allowed["names"]) & set(denied["names"])
    assert sockets["args"] == [{"index": 0, "value": 37, "op": "SCMP_CMP_LE"}]


def test_the_options_drop_what_sandboxes_do_not_need() -> None:
    assert "--cap-drop=ALL" in OPTIONS
    [capabilities] = [option for option in OPTIONS if option.startswith("--cap-add=")]
    assert capabilities == "--cap-add=CHOWN,DAC_OVERRIDE,FOWNER,KILL,SETGID,SETUID"
    assert "--security-opt=no-new-privileges" in OPTIONS
    assert "--security-opt=seccomp=deploy/container/seccomp.json" in OPTIONS
    assert any(option.startswith("--uidmap=0:") for option in OPTIONS)


@pytest.mark.parametrize(
    "file", sorted(str(path.relative_to(ROOT)) for path in (ROOT / "deploy").rglob("*.*"))
)
def test_no_file_opens_the_machine_or_has_a_secret(file: str) -> None:
    text = (ROOT / file).read_text()
    assert not re.search(r"FYKE_UNSAFE|privileged: true|--privileged|seccomp=unconfined", text)
    assert not re.search(
        r"(?i)(password|secret|(?<!ServiceAccount)token)\s*[:=]\s*[\"']?[a-z0-9]", text
    )
    assert not re.search(r"(?:docker\.io|ghcr\.io|quay\.io|registry\.)", text)


def test_the_base_of_the_image_is_chosen_by_its_builder() -> None:
    lines = (CONTAINER / "Containerfile").read_text().splitlines()
    assert "ARG BASE" in lines
    assert [line for line in lines if line.startswith("FROM")] == ["FROM ${BASE}"]


def test_the_page_names_every_option() -> None:
    names = {re.split(r"[ =]", option)[0] for option in OPTIONS}
    assert all(f"`{name}" in PAGE for name in names - {"--cap-drop"})
