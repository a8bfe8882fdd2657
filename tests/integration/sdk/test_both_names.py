"""Clients generated from our proto file by the libraries of the published SDK files: every method,
under both package names.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import (
    descriptor_pb2,
    descriptor_pool,
    empty_pb2,
    message_factory,
    text_format,
)

from fyke.model.log import LogType
from fyke.model.progress import WorkerProgress
from support.sdk_server import Platform, rows_of

import sdk_pb2  # isort: skip - found by support.sdk_server

PACKAGES = ["coresdk", "cafesdk"]
PROTO = Path(__file__).resolve().parents[3] / "proto" / "sdk.proto"
INPUT = '{"n": 1}'


def proto(package: str) -> str:
    return PROTO.read_text().replace("coresdk", package)


def has_all(fyke: Platform, attempt: Any) -> None:
    """Check that one call of every kind arrived."""
    fyke.thread.run(attempt.flush())
    assert rows_of(fyke) == [b'{"a":1}', b'{"b":2}', b'{"id":7}']
    batches = [batch for batches in fyke.results.batches for batch in batches]
    (headers,) = [batch.headers for batch in batches if batch.headers]
    assert [(header.label, header.key, header.format) for header in headers] == [("L", "k", "text")]
    (upsert,) = [row for batch in batches for row in batch.rows if row.upsert_key]
    assert (upsert.upsert_key, upsert.upsert_value) == ("id", "7")
    entries = [(LogType(entry.type).name, entry.content) for item in batches for entry in item.log]
    assert attempt.progress == WorkerProgress(2, 8, "page 2")
    assert entries == [("DEBUG", "Debug"), ("INFO", "Info"), ("WARN", "Warn"), ("ERROR", "Error")]


MARKED = '{"id": 7, "__coreclaw_upsert_key__": "id", "__coreclaw_upsert_value__": "7"}'
ROWS = ['{"a": 1}', json.dumps('{"b": 2}'), MARKED]


@pytest.mark.parametrize("package", PACKAGES)
def test_python_works_with_both_package_names(fyke: Platform, package: str) -> None:
    port, attempt = fyke.thread.run(fyke.attempt(input_json=INPUT.encode()))
    made = descriptor_pb2.FileDescriptorProto.FromString(sdk_pb2.DESCRIPTOR.serialized_pb)
    text = str(made).replace("coresdk", package)
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(empty_pb2.DESCRIPTOR.serialized_pb)
    pool.Add(text_format.Parse(text, descriptor_pb2.FileDescriptorProto()))
    file = pool.FindFileByName("sdk.proto")
    assert file.package == package
    with grpc.insecure_channel(f"127.0.0.1:{port}") as connection:

        def call(service: str, method: str, **fields: Any) -> Any:
            described = file.services_by_name[service].methods_by_name[method]
            ask = message_factory.GetMessageClass(described.input_type)
            answer = message_factory.GetMessageClass(described.output_type)
            stub = connection.unary_unary(
                f"/{package}.{service}/{method}",
                request_serializer=ask.SerializeToString,
                response_deserializer=answer.FromString,
            )
            reply = stub(ask(**fields))
            assert reply.code == 0
            return reply

        assert call("Parameter", "GetInputJSONString").jsonString == INPUT
        call("Result", "SetTableHeader", headers=[{"label": "L", "key": "k", "format": "text"}])
        for row in ROWS:
            assert call("Result", "PushData", jsonString=row).message == "success"
        for level in ("Debug", "Info", "Warn", "Error"):
            call("Log", level, log=level)
        call("Progress", "Set", done=2, total=8, text="page 2")
    has_all(fyke, attempt)


@pytest.mark.parametrize("stubs", ["loaded", "ours"])
@pytest.mark.parametrize("package", PACKAGES)
def test_node_works_with_both_package_names(
    fyke: Platform, node_client: Path, tmp_path: Path, package: str, stubs: str
) -> None:
    port, attempt = fyke.thread.run(fyke.attempt(input_json=INPUT.encode()))
    (tmp_path / "sdk.proto").write_text(proto(package))
    command = [
        "node",
        "stubs.js",
        str(port),
        package,
        stubs,
        json.dumps(ROWS),
        str(tmp_path),
    ]
    completed = subprocess.run(command, cwd=node_client, capture_output=True, text=True, timeout=60)
    assert completed.returncode == 0, completed.stderr
    assert json.loads(completed.stdout) == {"input": INPUT, "codes": [0] * 9}
    has_all(fyke, attempt)


@pytest.mark.long
@pytest.mark.needs("go", "go_grpc", "protoc", "protoc_gen_go", "protoc_gen_go_grpc")
@pytest.mark.parametrize("package", PACKAGES)
def test_go_works_with_both_package_names(fyke: Platform, tmp_path: Path, package: str) -> None:
    folder = tmp_path / "src" / "stubs"
    (folder / "sdk").mkdir(parents=True)
    (folder / "sdk.proto").write_text(proto(package))
    shutil.copy(Path(__file__).parent / "stubs" / "main.go", folder)
    env = {
        **os.environ,
        "GO111MODULE": "off",
        "GOPATH": f"{tmp_path}:/usr/share/gocode",
        "CGO_ENABLED": "0",
    }
    options = ["--go_out=sdk", "--go-grpc_out=sdk", "sdk.proto"]
    for command in (["protoc", *options], ["go", "build", "-trimpath", "-o", "stubs", "."]):
        completed = subprocess.run(
            command, cwd=folder, env=env, capture_output=True, text=True, timeout=110
        )
        assert completed.returncode == 0, completed.stderr
    port, attempt = fyke.thread.run(fyke.attempt(input_json=INPUT.encode()))
    arguments = [str(folder / "stubs"), f"127.0.0.1:{port}", *ROWS]
    completed = subprocess.run(arguments, capture_output=True, text=True, timeout=60)
    assert (completed.returncode, completed.stdout) == (0, INPUT + "\n"), completed.stderr
    has_all(fyke, attempt)
