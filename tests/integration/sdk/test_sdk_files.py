"""The committed SDK files are those that script/sdk makes, and cost next to nothing to load."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from support.sdk_server import SDK

import sdk  # isort: skip - found by support.sdk_server
import sdk_pb2  # isort: skip

pytestmark = pytest.mark.needs("node", "go", "npm")

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    path = ROOT / "script" / "lib" / "sdk_files.py"
    spec = importlib.util.spec_from_file_location("sdk_files", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["sdk_files"] = module
    spec.loader.exec_module(module)
    return module


def test_no_generated_file_is_stale(generator: ModuleType) -> None:
    files = generator.node_and_go_files(generator.read_proto(generator.PROTO.read_text("utf-8")))
    assert len(files) == 4
    stale = [str(path) for path, text in files.items() if path.read_text("utf-8") != text]
    assert stale == [], "run script/sdk"


def test_the_python_stubs_agree_with_the_proto_file(generator: ModuleType) -> None:
    proto = generator.read_proto(generator.PROTO.read_text("utf-8"))
    made = sdk_pb2.DESCRIPTOR
    assert made.package == proto.package
    assert {
        name: [(field.name, field.number) for field in message.fields]
        for name, message in made.message_types_by_name.items()
    } == {
        name: [(field.name, field.number) for field in fields]
        for name, fields in proto.messages.items()
    }
    assert {
        name: [(each.name, each.output_type.name) for each in service.methods]
        for name, service in made.services_by_name.items()
    } == {
        name: [(method, response) for method, _, response in methods]
        for name, methods in proto.services.items()
    }


def test_python_files_equal_those_generated_by_the_tools(generator: ModuleType) -> None:
    files = generator.python_files()
    if files is None:
        pytest.skip(f"needs {generator.TOOLS}, which the suite does not install")
    assert [str(path) for path, text in files.items() if path.read_text("utf-8") != text] == []


def test_python_encodes_messages_like_protobuf() -> None:
    for text in ("", "x", "é" * 100, "y" * 70_000):
        assert sdk._field(1, text.encode()) == sdk_pb2.Data(jsonString=text).SerializeToString()
        for code in (0, 1, 2**31 - 1):
            reply = sdk_pb2.Response(code=code, message=text).SerializeToString()
            assert sdk._read(reply) == (code, text)


def test_unknown_fields_are_skipped() -> None:
    known = sdk_pb2.Response(code=3, message="m").SerializeToString()
    unknown = b"\x19" + bytes(8) + b"\x25" + bytes(4) + b"\x28\x96\x01" + b"\x32\x01x"
    assert sdk._read(unknown + known + unknown) == (3, "m")


@pytest.mark.parametrize(
    "code",
    [
        "import sys, sdk; bad = {'grpc', 'google', 'asyncio', 'typing', 'http'} & set(sys.modules)",
        "import sys; sys.modules['grpc'] = None; import sdk; bad = set()",
    ],
)
def test_python_loads_few_modules(code: str) -> None:
    command = [sys.executable, "-S", "-c", f"{code}; sys.exit(bool(bad) and str(bad))"]
    env = {**os.environ, "PYTHONPATH": str(SDK)}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr


def test_node_loads_few_modules() -> None:
    code = (
        "require('./sdk.js');"
        "const bad = process.moduleLoadList.filter((m) => /NativeModule http2$/.test(m));"
        "console.log(bad.length, Object.keys(require.cache).length)"
    )
    command = ["node", "-e", code]
    done = subprocess.run(command, cwd=ROOT / "sdk" / "node", capture_output=True, timeout=30)
    assert done.stdout.split() == [b"0", b"3"], done.stderr


def test_go_requires_no_other_module() -> None:
    module = (ROOT / "sdk" / "go" / "go.mod").read_text("utf-8")
    assert "require" not in module
    env = {**os.environ, "GOFLAGS": "-mod=mod", "GOPROXY": "off", "GOWORK": "off"}
    command = ["go", "vet", "./..."]
    cwd = ROOT / "sdk" / "go"
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
