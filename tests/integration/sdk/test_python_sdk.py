"""The SDK files of a Python Worker, used in a separate process like in a Worker."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from support.sdk_server import SDK, Platform, rows_of


def run(port: int, code: str) -> subprocess.CompletedProcess[str]:
    """Run a Worker with the SDK at this port instead of the fixed one."""
    start = f"import sdk\nsdk.ADDRESS = '127.0.0.1:{port}'\nfrom sdk import CoreSDK\n"
    return subprocess.run(
        [sys.executable, "-c", start + code],
        env={**os.environ, "PYTHONPATH": str(SDK), "http_proxy": "http://127.0.0.1:9"},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_every_function_of_the_sdk_works(fyke: Platform) -> None:
    port, attempt = fyke.thread.run(fyke.attempt(input_json=b'{"n": 1.10, "s": "\xc3\xa9"}'))
    completed = run(
        port,
        """
assert CoreSDK.Parameter.get_input_json_dict() == {"n": 1.1, "s": "\\u00e9"}
assert CoreSDK.Parameter.get_input_json_str() == '{"n": 1.10, "s": "\\u00e9"}'
CoreSDK.Result.set_table_header([{"label": "Name", "key": "name", "format": "text"}, {"key": "x"}])
CoreSDK.Result.push_data({"name": "\\U0001f600", "big": 2**70})
CoreSDK.Result.push_data('{"twice": 1}')
CoreSDK.Result.push_data({"half": "\\ud800", "nan": float("nan")})
CoreSDK.Result.upsert_data({"id": 7, "v": 1}, "id")
CoreSDK.Log.debug("d"); CoreSDK.Log.info(5); CoreSDK.Log.warn("w"); CoreSDK.Log.error("\\ud800")
""",
    )
    assert completed.returncode == 0, completed.stderr
    fyke.thread.run(attempt.flush())
    assert [json.loads(row) for row in rows_of(fyke)] == [
        {"name": "\U0001f600", "big": 2**70},
        {"twice": 1},
        {"half": "\ufffd", "nan": None},
        {"id": 7, "v": 1},
    ]
    batches = [b for batches in fyke.results.batches for b in batches]
    (headers,) = [b.headers for b in batches if b.headers]
    assert [(h.label, h.key, h.format) for h in headers] == [
        ("Name", "name", "text"),
        ("", "x", ""),
    ]
    (upsert,) = [row for b in batches for row in b.rows if row.upsert_key]
    assert (upsert.upsert_key, upsert.upsert_value) == ("id", "7")
    lines = [e.content for b in batches for e in b.log]
    assert [line for line in lines if len(line) < 3] == ["d", "5", "w", "?"]
    assert len(lines) == 6  # and two warnings about the third row


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("CoreSDK.Result.upsert_data({'a': 1}, '')", "ValueError: unique_key is required"),
        (
            "CoreSDK.Result.upsert_data({'a': 1}, 'b')",
            "ValueError: unique_key [b] not found in data",
        ),
        ("CoreSDK.Result.push_data('x' * 9_000_000)", "sdk.SDKError: The row has 9000000 bytes"),
    ],
)
def test_errors_have_the_reason(fyke: Platform, code: str, error: str) -> None:
    port, _ = fyke.thread.run(fyke.attempt())
    completed = run(port, code)
    assert completed.returncode == 1
    assert error in completed.stderr
    assert rows_of(fyke) == []


def test_forked_processes_have_their_own_connections(fyke: Platform) -> None:
    """There are more processes than allowed connections: refused ones retry."""
    port, _ = fyke.thread.run(fyke.attempt())
    completed = run(
        port,
        """
import os
CoreSDK.Result.push_data({"who": "parent"})
children = []
for number in range(40):
    child = os.fork()
    if not child:
        for row in range(3):
            CoreSDK.Result.push_data({"who": number, "row": row})
        os._exit(0)
    children.append(child)
codes = [os.waitpid(child, 0)[1] for child in children]
CoreSDK.Result.push_data({"who": "parent"})
print(set(codes))
""",
    )
    assert completed.stdout == "{0}\n", completed.stderr
    rows = [json.loads(row) for row in rows_of(fyke)]
    assert len(rows) == 122
    assert {row["who"] for row in rows} == {"parent", *range(40)}


def test_an_interrupted_call_does_not_break_the_next_one(fyke: Platform) -> None:
    port, _ = fyke.thread.run(fyke.attempt())
    fyke.thread.loop.call_soon_threadsafe(fyke.results.unblocked.clear)
    fyke.thread.loop.call_soon_threadsafe(
        fyke.thread.loop.call_later, 1.0, fyke.results.unblocked.set
    )
    completed = run(
        port,
        """
import signal
def interrupt(*_): raise KeyboardInterrupt
signal.signal(signal.SIGALRM, interrupt)
signal.setitimer(signal.ITIMER_REAL, 0.2)
try:
    CoreSDK.Result.push_data({"n": 1})
except KeyboardInterrupt:
    print("interrupted")
print(CoreSDK.Result.push_data({"n": 2}).code, CoreSDK.Log.info("x").code)
""",
    )
    assert completed.stdout == "interrupted\n0 0\n", completed.stderr
    assert {"n": 2} in [json.loads(row) for row in rows_of(fyke)]


def test_an_empty_input_is_an_empty_object(fyke: Platform) -> None:
    port, _ = fyke.thread.run(fyke.attempt(input_json=b""))
    completed = run(port, "print(CoreSDK.Parameter.get_input_json_dict())")
    assert completed.stdout == "{}\n"


def test_importing_the_sdk_loads_few_modules() -> None:
    code = (
        "import sys, sdk; sys.exit(any(n.split('.')[0] in ('grpc', 'google') for n in sys.modules))"
    )
    completed = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": str(SDK)}, timeout=30
    )
    assert completed.returncode == 0
