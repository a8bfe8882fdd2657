"""Output and requests of ``fyke node``."""

from __future__ import annotations

import io
import json
import re
from typing import Any

import msgspec
import pytest

from fyke.cli.errors import CommandFailed, Exit
from fyke.cli.node import (
    cordon,
    drain,
    forget,
    list_nodes,
    list_tokens,
    replace,
    revoke,
    show,
    show_demand,
    token,
    uncordon,
)
from fyke.cli.output import Output
from fyke.domain.nodes.machines import Availability
from fyke.model.node import NodeState
from fyke_client.errors import ApiError
from fyke_client.types.fyke.nodes import (
    CreatedNodeToken,
    FailedCheck,
    NodeItem,
    NodeTokenItem,
    NodeTokenToCreate,
    PoolDemandItem,
)
from support.scripted import ScriptedServer

NODE = NodeItem(
    name="gpu-1",
    pool="gpu",
    labels={"rack": "2", "disk": "ssd"},
    state=NodeState.DRAINING,
    state_by="ada",
    state_at=0,
    reason="",
    reason_code="",
    reason_params={},
    drain_until=1_700_000_000,
    replacing=False,
    connected=False,
    attempts=3,
    ephemeral=False,
    joined_at=1_700_000_000,
    seen_at=0,
    address="192.0.2.1",
    release="0.2.0",
    availability=Availability.SILENT,
    trouble="",
    isolation="no-limits",
    isolation_reason="limits: memory.max is read-only",
    cpus=8.0,
    cpus_taken=3.5,
    memory=8192,
    memory_taken=2048,
    browsers=0,
    settings_version=2,
    newest_settings=3,
    failed_checks=[FailedCheck("limits", "memory.max is read-only")],
    disk_free=200_000_000,
    disk_total=50_000_000_000,
    disk_floor=268_435_456,
    caches=1_500_000_000,
    clock_ahead=-12.3,
)
TOKEN = NodeTokenItem("T1", "gpu", {"a": "b"}, "", 0, 3, "ada", 0, 1_700_000_000, 0)
MADE = CreatedNodeToken(
    **msgspec.structs.asdict(TOKEN), token="fyken_x", gateway="gateway.example:8110"
)


def run(command: Any, *arguments: Any, **answers: Any) -> ScriptedServer:
    server = ScriptedServer(**answers)
    command(server, *arguments)
    return server


def test_only_the_token_is_on_standard_output() -> None:
    server = run(token, create_node_token=MADE)
    assert server.data == "fyken_x\n"
    assert "not shown again" in server.messages
    assert "  fyke node join gateway.example:8110 --token TOKEN --label a=b\n" in server.messages
    assert "gateway_host" not in server.messages
    assert server.client.calls == [("create_node_token", NodeTokenToCreate("", {}, "", 1, 60))]


def test_the_limits_of_a_token_are_sent() -> None:
    options = ("gpu", ["a=b", "c=d=e"], "gpu-*", 0, "7d")
    server = run(token, *options, create_node_token=MADE)
    request = NodeTokenToCreate("gpu", {"a": "b", "c": "d=e"}, "gpu-*", 0, 7 * 24 * 60)
    assert server.client.calls == [("create_node_token", request)]


@pytest.mark.parametrize(("names", "option"), [("n1", "--name n1"), ("n*", "--name NAME")])
def test_the_name_that_a_token_needs_is_shown(names: str, option: str) -> None:
    made = msgspec.structs.replace(MADE, names=names, labels={})
    assert f"--token TOKEN {option}\n" in run(token, create_node_token=made).messages


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "localhost"])
def test_a_gateway_that_no_other_machine_reaches_is_reported(host: str) -> None:
    made = msgspec.structs.replace(MADE, gateway=f"{host}:8110")
    messages = run(token, create_node_token=made).messages
    assert f"Only this machine can reach {host}:8110: set gateway_host" in messages


def test_a_token_as_json_has_its_text_and_its_limits() -> None:
    data = json.loads(run(token, as_json=True, create_node_token=MADE).data)
    assert data["token"] == "fyken_x"
    assert (data["id"], data["pool"], data["gateway"]) == ("T1", "gpu", "gateway.example:8110")


def test_a_label_has_one_value() -> None:
    with pytest.raises(CommandFailed, match="--label a=2: a has a value already") as refused:
        run(token, None, ["a=1", "b=1", "a=2"])
    assert refused.value.code is Exit.USAGE


def test_a_label_has_a_name_and_a_value() -> None:
    with pytest.raises(CommandFailed, match="--label gpu: must be NAME=VALUE") as refused:
        run(token, None, ["gpu"])
    assert refused.value.code is Exit.USAGE


def test_tokens_are_listed_with_their_uses() -> None:
    once = msgspec.structs.replace(TOKEN, id="T2", uses=1, used=0)
    lines = run(list_tokens, node_tokens=[TOKEN, once]).data.splitlines()
    assert lines[0].split()[:5] == ["ID", "POOL", "NAMES", "LABELS", "USED"]
    assert lines[1].split()[:4] == ["T1", "gpu", "-", "a=b"]
    assert lines[2].split()[:7] == ["T2", "gpu", "-", "a=b", "0", "of", "1"]
    data = json.loads(run(list_tokens, as_json=True, node_tokens=[TOKEN]).data)
    assert data[0]["id"] == "T1" and "token" not in data[0]


def test_nodes_are_listed() -> None:
    title, line = run(list_nodes, nodes=[NODE]).data.splitlines()
    assert title.split()[:4] == ["NAME", "TAKES", "RUNS", "ATTEMPTS"]
    assert line.split() == ["gpu-1", "no", "3", "draining", "never", "gpu", "disk=ssd", "rack=2"]
    bare = msgspec.structs.replace(NODE, connected=True, labels={}, seen_at=1_700_000_000)
    cells = run(list_nodes, nodes=[bare]).data.splitlines()[1].split()
    assert cells == ["gpu-1", "no", "3", "draining", "now", "gpu", "-"]
    assert json.loads(run(list_nodes, as_json=True, nodes=[NODE]).data)[0]["name"] == "gpu-1"


def test_nodes_fit_on_a_terminal_of_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    long = {f"label-{number}": "value" for number in range(9)}
    gone = msgspec.structs.replace(NODE, seen_at=1_700_000_000, labels=long)
    here = msgspec.structs.replace(gone, name="n2", connected=True, state=NodeState.READY)

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    server, shown = ScriptedServer(nodes=[gone, here]), Terminal()
    server.out = Output(as_json=False, stdout=shown)
    list_nodes(server)  # type: ignore[arg-type]
    lines = re.sub(r"\x1b\[[0-9;]*m", "", shown.getvalue()).splitlines()
    assert len(lines) == 3 and max(map(len, lines)) <= 80
    assert lines[1].startswith("gpu-1  no") and "\u2026" in lines[1]


def test_nodes_are_listed_by_pool_and_labels() -> None:
    other = msgspec.structs.replace(NODE, name="n2", pool="default", labels={"disk": "ssd"})

    def names(*arguments: Any) -> list[str]:
        data = json.loads(run(list_nodes, *arguments, as_json=True, nodes=[NODE, other]).data)
        return [item["name"] for item in data]

    assert names() == names(None, ["disk=ssd"]) == ["gpu-1", "n2"]
    assert names("gpu") == names(None, ["disk=ssd", "rack=2"]) == ["gpu-1"]
    assert names("default", ["rack=2"]) == []


def test_the_demand_of_each_pool_is_shown() -> None:
    demand = PoolDemandItem("eu", 2, 1, 1.5, 0.5, 1024, 512, 2, 0)
    title, line = run(show_demand, node_demand=[demand]).data.splitlines()
    assert title.split()[:3] == ["POOL", "WAITING", "CORES"]
    assert line.split() == ["eu", "2", "1.5", "1024", "2", "1", "0.5", "512", "0"]
    [data] = json.loads(run(show_demand, as_json=True, node_demand=[demand]).data)
    assert (data["pool"], data["waiting_cpus"], data["running_memory_mb"]) == ("eu", 1.5, 512)


def test_a_node_is_shown() -> None:
    fields = run(show, "gpu-1", node=NODE).fields
    assert [*fields][:3] == ["name", "takes runs", "attempts"]
    assert [*fields][3:8] == ["state", "set by", "drain until", "connected", "last seen"]
    assert (fields["state"], fields["set by"]) == ("draining", "ada")
    assert fields["drain until"].startswith("2023-11-1") and fields["last seen"] == "never"
    assert (fields["connected"], fields["attempts"]) == (
        "no; what follows is from its last report",
        "3",
    )
    assert fields["cores"] == "3.5 of 8 in use"
    assert fields["memory"] == "2048 of 8192 MiB in use"
    assert fields["isolation"] == "no-limits: limits: memory.max is read-only"
    assert fields["settings"] == "version 2; the installation has 3"
    assert fields["failed check"] == "limits: memory.max is read-only"
    assert fields["disk"] == "191 MiB of 47 GiB free; below 256 MiB it takes no attempts"
    assert (fields["caches"], fields["clock"]) == ("1.4 GiB", "12 s behind that of the database")
    near = msgspec.structs.replace(NODE, clock_ahead=0.4, disk_free=10**10, caches=None)
    fields = run(show, "gpu-1", node=near).fields
    assert fields["caches"] == "not measured yet"
    assert fields["disk"] == "9.3 GiB of 47 GiB free"
    assert fields["clock"] == "as that of the database"
    replaced = msgspec.structs.replace(NODE, reason="it is old", replacing=True)
    fields = run(show, "gpu-1", node=replaced).fields
    assert (fields["reason"], fields["replacing"]) == ("it is old", "yes")
    ready = msgspec.structs.replace(NODE, state=NodeState.READY, state_by="", drain_until=0)
    assert [*run(show, "gpu-1", node=ready).fields][3:5] == ["state", "connected"]


def test_a_node_that_has_not_reported_has_no_size() -> None:
    bare = msgspec.structs.replace(NODE, cpus=0.0, memory=0, isolation="", isolation_reason="")
    bare = msgspec.structs.replace(bare, disk_total=0, failed_checks=[])
    fields = run(show, "gpu-1", node=bare).fields
    assert (fields["cores"], fields["memory"], fields["isolation"]) == ("-", "-", "-")
    assert (fields["disk"], fields["caches"], fields["clock"]) == ("-", "-", "-")
    assert "failed check" not in fields


@pytest.mark.parametrize("availability", Availability)
def test_a_node_says_whether_it_takes_runs(availability: Availability) -> None:
    node = msgspec.structs.replace(NODE, availability=availability, trouble="the disk is full")
    text = run(show, "gpu-1", node=node).fields["takes runs"]
    expected = {
        Availability.READY: "yes",
        Availability.OPERATOR_ONLY: "only those of your own Workers",
        Availability.STARTING: "not yet: ",
        Availability.TROUBLE: "no: the disk is full",
    }
    assert text.startswith(expected.get(availability, "no: "))
    assert json.loads(run(show, "gpu-1", as_json=True, node=NODE).data)["attempts"] == 3


@pytest.mark.parametrize(
    ("command", "arguments", "call", "words"),
    [
        (cordon, (), "cordon_node", "fyke node uncordon gpu-1"),
        (uncordon, (), "uncordon_node", "takes attempts again"),
        (drain, ("1m",), "drain_node", "may go on until 2023-11-1"),
        (replace, ("1m",), "replace_node", "is replaced when no attempt is left, after 2023-11-1"),
    ],
)
def test_a_change_is_sent_and_reported(
    command: Any, arguments: tuple[str, ...], call: str, words: str
) -> None:
    server = run(command, "gpu-1", *arguments, **{call: NODE})
    assert server.client.calls == [(call, "gpu-1", *([60] if arguments else []))]
    assert words in server.messages and server.data == ""
    as_json = run(command, "gpu-1", *arguments, as_json=True, **{call: NODE})
    assert json.loads(as_json.data)["name"] == "gpu-1"


def test_a_forgotten_node_and_a_revoked_token_are_reported() -> None:
    words = "gpu-1 is forgotten; its attempts have ended.\n"
    assert run(forget, "gpu-1", True, forget_node=None).messages == words
    assert "T1 is revoked" in run(revoke, "T1", revoke_node_token=None).messages
    as_json = run(forget, "gpu-1", True, as_json=True, forget_node=None)
    assert json.loads(as_json.data) == {"forgotten": "gpu-1"}
    as_json = run(revoke, "T1", as_json=True, revoke_node_token=None)
    assert json.loads(as_json.data) == {"revoked": "T1"}


def test_a_node_is_not_forgotten_without_a_confirmation() -> None:
    with pytest.raises(CommandFailed, match="the node gpu-1 would be deleted permanently"):
        run(forget, "gpu-1", False, node=NODE)


def test_a_node_that_does_not_exist_is_named_before_the_question() -> None:
    absent = ApiError(404, 4040, "Resource not found")
    with pytest.raises(CommandFailed, match="There is no node n1") as missing:
        run(forget, "n1", False, node=absent)
    assert missing.value.code is Exit.NOT_FOUND


def test_what_is_missing_is_named_with_the_command_that_lists_the_rest() -> None:
    absent = ApiError(404, 4040, "Resource not found")
    with pytest.raises(CommandFailed, match='no node n1; "fyke node list" lists') as missing:
        run(cordon, "n1", cordon_node=absent)
    assert missing.value.code is Exit.NOT_FOUND
    with pytest.raises(CommandFailed, match='no token T9; "fyke node tokens" lists'):
        run(revoke, "T9", revoke_node_token=absent)
    with pytest.raises(ApiError):
        run(show, "n1", node=ApiError(401, 4010, "Unauthorized access"))


@pytest.mark.parametrize(
    ("command", "options", "words"),
    [
        (token, {"pool": ""}, "--pool: must not be empty"),
        (token, {"names": " "}, "--names: must not be empty"),
        (token, {"expires": ""}, "--expires: must not be empty"),
        (token, {"label": [""]}, "--label : must be NAME=VALUE"),
        (list_nodes, {"pool": ""}, "--pool: must not be empty"),
        (drain, {"name": "n1", "seconds": ""}, "--seconds: must not be empty"),
        (show, {"name": ""}, "NAME is missing"),
        (forget, {"name": " ", "yes": True}, "NAME is missing"),
        (cordon, {"name": ""}, "NAME is missing"),
        (revoke, {"token_id": ""}, "TOKEN is missing"),
    ],
)
def test_what_is_given_but_empty_is_refused(
    command: Any, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(CommandFailed, match=words) as refused:
        command(ScriptedServer(), **options)
    assert refused.value.code is Exit.USAGE


@pytest.mark.parametrize(
    ("availability", "words"),
    [
        (Availability.READY, ["yes"]),
        (Availability.CORDONED, ["no"]),
        (Availability.SILENT, ["no"]),
        (Availability.STARTING, ["not", "yet"]),
        (Availability.OPERATOR_ONLY, ["own", "Workers"]),
        (Availability.NO_ISOLATION, ["no", "isolation"]),
        (Availability.TROUBLE, ["cannot", "start"]),
    ],
)
def test_the_list_shows_whether_a_node_takes_runs(
    availability: Availability, words: list[str]
) -> None:
    node = msgspec.structs.replace(NODE, availability=availability)
    title, line = run(list_nodes, nodes=[node]).data.splitlines()
    assert title.split()[1:3] == ["TAKES", "RUNS"]
    assert line.split()[1:-6] == words


@pytest.mark.parametrize("availability", [Availability.NOT_CONNECTED, Availability.SILENT])
def test_a_decision_about_a_node_that_is_away_is_shown(availability: Availability) -> None:
    node = msgspec.structs.replace(NODE, availability=availability)
    text = run(show, "gpu-1", node=node).fields["takes runs"]
    assert text.endswith("; it is also draining, until fyke node uncordon gpu-1")
    node = msgspec.structs.replace(node, state=NodeState.READY)
    assert "also" not in run(show, "gpu-1", node=node).fields["takes runs"]


def test_an_empty_list_says_how_to_begin() -> None:
    words = "There are no nodes; make a token with fyke node token\n"
    assert run(list_nodes, nodes=[]).messages == words
    assert run(list_nodes, None, ["a=b"], nodes=[NODE]).messages == "Nothing found.\n"
    words = "There are no tokens; make one with fyke node token\n"
    assert run(list_tokens, node_tokens=[]).messages == words
    assert run(list_nodes, as_json=True, nodes=[]).data == "[]\n"


def test_the_problems_of_a_token_name_the_options() -> None:
    problems = [
        "labels: the name of a label has 1 to 63 letters",
        "labels has 17 labels; the limit is 16",
        "pool must have 1 to 63 lower-case letters",
        "names must have at most one asterisk",
        "uses must be 1 for a token without a pool; name a pool",
        "minutes must be an integer",
    ]
    error = ApiError(400, 4000, "Invalid", problems, key="invalid_request")
    with pytest.raises(CommandFailed) as refused:
        run(token, create_node_token=error)
    assert str(refused.value).splitlines() == [
        "--label: the name of a label has 1 to 63 letters",
        "  --label: has 17 labels; the limit is 16",
        "  --pool: must have 1 to 63 lower-case letters",
        "  --names: must have at most one asterisk",
        "  --uses: must be 1 for a token without a pool; name a pool",
        "  --expires: must be an integer",
    ]
    assert refused.value.code is Exit.USAGE
    away = ApiError(400, 4000, "Request refused: Nodes need PostgreSQL", key="refused")
    with pytest.raises(ApiError):
        run(token, create_node_token=away)


def test_a_token_that_was_revoked_before_is_reported_plainly() -> None:
    text = "This token was revoked already"
    error = ApiError(400, 4000, f"Request refused: {text}", key="refused")
    with pytest.raises(CommandFailed, match=f"^{text}$") as refused:
        run(revoke, "T1", revoke_node_token=error)
    assert refused.value.code is Exit.CONFLICT
