"""The file that a node keeps of its installation; ``fyke node join`` is tested with a gateway."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fyke.app.folder import is_node
from fyke.app.node_folder import (
    NodeFolder,
    keep_announced,
    keep_certificate,
    read_node,
    write_node,
)
from fyke.errors import Conflict
from fyke.kit.certificates import CertifiedKey
from fyke.model.gateway import MAX_GATEWAYS
from support.node_folders import a_node, certified

REMEDY = "delete it, and join again with fyke node join"


@pytest.fixture
def node(tmp_path: Path) -> NodeFolder:
    node = a_node(("gateway.example:9000", "[2001:db8::1]:8110"))
    write_node(tmp_path, node)
    return node


def test_a_node_is_read_as_it_was_written(node: NodeFolder, tmp_path: Path) -> None:
    assert is_node(tmp_path)
    assert read_node(tmp_path) == node
    assert (tmp_path / "node.json").stat().st_mode & 0o777 == 0o600


def test_a_renewed_certificate_replaces_the_earlier_one_with_its_key(
    node: NodeFolder, tmp_path: Path
) -> None:
    renewed = certified()
    keep_certificate(tmp_path, renewed)
    kept = read_node(tmp_path)
    assert kept.own == renewed != node.own
    assert (kept.name, kept.gateways) == (node.name, node.gateways)
    assert [path.name for path in tmp_path.iterdir()] == ["node.json"]


def test_a_renewal_keeps_what_was_changed_in_the_file(node: NodeFolder, tmp_path: Path) -> None:
    edited = replace(node, gateways=("other.example:8110",))
    write_node(tmp_path, edited)
    renewed = certified()
    keep_certificate(tmp_path, renewed)
    assert read_node(tmp_path) == replace(edited, own=renewed)


def test_announced_gateways_are_kept_beside_those_that_were_given(
    node: NodeFolder, tmp_path: Path
) -> None:
    given = [("gateway.example", 9000), ("2001:db8::1", 8110)]
    announced = ["10.0.0.2", "gateway.example:9000"]
    assert keep_announced(tmp_path, announced) == [*given, ("10.0.0.2", 8110)]
    kept = read_node(tmp_path)
    assert (kept.gateways, kept.announced) == (node.gateways, tuple(announced))
    assert kept.gateway_names() == [*node.gateways, "10.0.0.2:8110"]
    keep_certificate(tmp_path, certified())
    assert read_node(tmp_path).announced == tuple(announced)
    many = [f"10.0.1.{number}" for number in range(MAX_GATEWAYS + 1)]
    assert len(keep_announced(tmp_path, many)) == len(given) + MAX_GATEWAYS
    assert keep_announced(tmp_path, []) == given
    assert read_node(tmp_path) == replace(read_node(tmp_path), announced=())


def test_announced_gateways_that_are_no_addresses_change_nothing(
    node: NodeFolder, tmp_path: Path
) -> None:
    with pytest.raises(Conflict, match="not addresses"):
        keep_announced(tmp_path, ["10.0.0.2", ":9"])
    assert read_node(tmp_path) == node


def test_a_renewal_leaves_a_file_that_is_not_its_own(node: NodeFolder, tmp_path: Path) -> None:
    joined = replace(node, own=certified("J2"))
    write_node(tmp_path, joined)
    with pytest.raises(Conflict, match="another join"):
        keep_certificate(tmp_path, certified())
    assert read_node(tmp_path) == joined
    (tmp_path / "node.json").unlink()
    with pytest.raises(FileNotFoundError):
        keep_certificate(tmp_path, certified())


@pytest.mark.parametrize(
    ("gateway", "address"),
    [
        ("gateway.example:9000", ("gateway.example", 9000)),
        ("10.0.0.5", ("10.0.0.5", 8110)),
        ("[2001:db8::1]:9", ("2001:db8::1", 9)),
        ("[::1]", ("::1", 8110)),
    ],
)
def test_addresses_of_gateways(gateway: str, address: tuple[str, int]) -> None:
    node = NodeFolder("n1", "eu", {}, (gateway,), "", CertifiedKey("", ""))
    assert node.addresses() == [address]


def without(key: str) -> Callable[[dict[str, Any]], Any]:
    return lambda data: {name: value for name, value in data.items() if name != key}


def with_value(key: str, value: object) -> Callable[[dict[str, Any]], Any]:
    return lambda data: {**data, key: value}


BAD_ADDRESSES = "its gateways are not addresses"
BAD_KEY = "its key cannot be read, or is not that of the certificate"


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        *(
            (without(key), f"it has no {key}")
            for key in ("name", "pool", "labels", "gateways", "authority", "certificate", "key")
        ),
        (lambda data: [data], "it is not a JSON object"),
        (lambda _: None, "it is not a JSON object"),
        (with_value("name", 5), "it has no name"),
        (with_value("labels", 5), "it has no labels"),
        (with_value("gateways", []), "it has no gateways"),
        (with_value("gateways", "gateway.example:8110"), "it has no gateways"),
        (with_value("gateways", [":8110"]), BAD_ADDRESSES),
        (with_value("gateways", ["gateway.example:port"]), BAD_ADDRESSES),
        (with_value("gateways", [5]), BAD_ADDRESSES),
        (with_value("announced", 5), BAD_ADDRESSES),
        (with_value("announced", [":8110"]), BAD_ADDRESSES),
        (with_value("authority", "x"), "its authority cannot be read"),
        (with_value("certificate", "x"), "its certificate cannot be read"),
        (with_value("key", ""), BAD_KEY),
        (with_value("key", certified().key), BAD_KEY),  # of another certificate
    ],
)
def test_a_damaged_file_is_refused_with_the_part_and_what_to_do(
    node: NodeFolder, tmp_path: Path, change: Callable[[dict[str, Any]], Any], problem: str
) -> None:
    file = tmp_path / "node.json"
    file.write_text(json.dumps(change(json.loads(file.read_text()))))
    with pytest.raises(Conflict) as refused:
        read_node(tmp_path)
    assert refused.value.message == f"{file} is damaged: {problem}; {REMEDY}"


def test_a_damaged_end_of_a_certificate_is_named_plainly(node: NodeFolder, tmp_path: Path) -> None:
    write_node(tmp_path, replace(node, own=replace(node.own, certificate="-----BEGIN CERTI")))
    with pytest.raises(Conflict, match="its certificate cannot be read"):
        read_node(tmp_path)


def test_a_folder_of_that_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / "node.json").mkdir()
    with pytest.raises(Conflict) as refused:
        read_node(tmp_path)
    assert refused.value.message == f"{tmp_path / 'node.json'} is a folder, not a file; {REMEDY}"


@pytest.mark.parametrize("data", [b"", b"{", b'{"key": "secret\xff'])
def test_what_is_no_json_is_refused_without_the_key(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "node.json").write_bytes(data)
    with pytest.raises(Conflict, match="is damaged") as refused:
        read_node(tmp_path)
    assert "secret" not in str(refused.value)
