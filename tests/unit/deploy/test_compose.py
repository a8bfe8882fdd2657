"""The compose file gives its containers the options of ``podman-options``, and no secret."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from typer.main import get_command

from fyke.cli.main import app
from fyke.settings import Settings

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "deploy" / "compose"
OPTIONS = (ROOT / "deploy" / "container" / "podman-options").read_text().split()
PAGE = (ROOT / "docs" / "how-to" / "containers.md").read_text()
TEXT = (FOLDER / "compose.yaml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
# what a service may say besides the options: nothing of it opens the machine
OTHERS = {
    *("image", "restart", "command", "environment", "hostname", "ports", "profiles"),
    *("secrets", "volumes"),
}


def as_options(service: dict[str, Any]) -> list[str]:
    """The options of podman for a service, in the form of ``podman-options``."""
    [capability] = service["cap_drop"]
    found = [
        *(f"--uidmap={item}" for item in service["x-podman.uidmaps"]),
        *(f"--gidmap={item}" for item in service["x-podman.gidmaps"]),
        f"--cap-drop={capability}",
        f"--cap-add={','.join(service['cap_add'])}",
        f"--pids-limit={service['pids_limit']}",
        f"--stop-timeout={service['stop_grace_period'].removesuffix('s')}",
    ]
    for item in service["security_opt"]:
        name, _, value = item.partition("=")
        if name == "seccomp":  # the path starts in the folder of the compose file
            value = str((FOLDER / value).resolve().relative_to(ROOT))
        found.append(f"--security-opt={name}={value}" if value else f"--security-opt={name}")
    return [*found, *(["--read-only"] if service["read_only"] else [])]


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_a_service_has_the_options_of_a_container_and_no_more(name: str) -> None:
    service = SERVICES[name]
    assert sorted(as_options(service)) == sorted(OPTIONS)
    compared = {"x-podman.uidmaps", "x-podman.gidmaps", "cap_drop", "cap_add", "security_opt"}
    compared |= {"pids_limit", "stop_grace_period", "read_only"}
    assert set(service) - compared <= OTHERS


def test_no_variable_but_the_token_of_a_node_has_a_secret_and_none_has_a_default() -> None:
    assert SERVICES["fyke"]["environment"].keys() == {"FYKE_OWNER_PASSWORD_FILE"}
    assert SERVICES["node"]["environment"] == ["FYKE_NODE_TOKEN"]
    assert "FYKE_UNSAFE" not in TEXT and "privileged" not in TEXT
    defaults = dict(re.findall(r"\$\{(\w+):-([^}]*)\}", TEXT))
    assert defaults == {"NODE_GATEWAY": "fyke:8110"}


def test_the_first_password_is_a_file_that_the_operator_makes() -> None:
    assert COMPOSE["secrets"] == {"owner_password": {"file": "./owner_password"}}
    file = SERVICES["fyke"]["environment"]["FYKE_OWNER_PASSWORD_FILE"]
    [secret] = SERVICES["fyke"]["secrets"]
    assert secret == {"source": "owner_password", "target": file}
    assert "owner_password_file" in Settings.model_fields
    assert "/deploy/compose/owner_password" in (ROOT / ".gitignore").read_text().split()


def test_the_page_gives_the_file_to_the_service_user_of_the_container() -> None:
    [first] = re.findall(r"--uidmap=0:(\d+):", " ".join(OPTIONS))
    containerfile = (ROOT / "deploy" / "container" / "Containerfile").read_text()
    [user] = re.findall(r"--uid (\d+)", containerfile)
    number = int(first) + int(user)
    assert f"-o {number} -g {number} -m 0400" in PAGE
    assert f"uid={user},gid={user},mode=0400" in PAGE


def test_the_port_is_open_on_this_machine_only() -> None:
    assert SERVICES["fyke"]["ports"] == ["127.0.0.1:8100:8100"]
    assert "ports" not in SERVICES["node"]


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_the_command_exists(name: str) -> None:
    at: Any = get_command(app)
    words = SERVICES[name]["command"]
    while words and not words[0].startswith("-"):
        at, *words = at.commands[words[0]], *words[1:]
    known = {option for parameter in at.params for option in parameter.opts}
    assert {word for word in words if word.startswith("-")} <= known


def test_nodes_start_only_if_asked_for_and_keep_a_folder_of_their_own() -> None:
    assert SERVICES["node"]["profiles"] == ["node"] and "profiles" not in SERVICES["fyke"]
    folders = [service["volumes"] for service in SERVICES.values()]
    assert folders == [["fyke:/var/lib/fyke"], ["node:/var/lib/fyke"]]
    assert COMPOSE["volumes"].keys() == {"fyke", "node"}
