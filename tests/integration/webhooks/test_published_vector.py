"""The receivers of the examples with the test vector of Standard Webhooks. Each must accept the
vector, and refuse a changed body and a message that is six minutes old. Python and Node.js use the
libraries themselves.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[3] / "examples"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ID = "msg_p5jXN8AQM9LWM0D4loKWxJek"
STAMP = 1_614_265_330
BODY = '{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="

Verify = Callable[[str, int], bool]

JAVA = """
public class Vector {
  public static void main(String[] a) throws Exception {
    long now = Long.parseLong(a[5]);
    System.exit(Run.isGenuine(a[0], a[1], a[2], a[3], a[4].getBytes("UTF-8"), now) ? 0 : 1);
  }
}
"""
PHP = """
require $argv[1];
[$secret, $id, $stamp, $signature, $body, $now] = array_slice($argv, 2);
$headers = ['webhook-id' => $id, 'webhook-timestamp' => $stamp, 'webhook-signature' => $signature];
exit(isGenuine($secret, $headers, $body, (int) $now) ? 0 : 1);
"""
SHELL = 'source "$1"; is_genuine "$2" "$7" "$3" "$4" "$5" "$6"'


def verifier(*command: str) -> Verify:
    """Returns whether ``command``, called with the parts of a message, accepts it."""

    def verify(body: str, now: int) -> bool:
        parts = [SECRET, ID, str(STAMP), f"v1,AAAA {SIGNATURE}", body, str(now)]
        completed = subprocess.run([*command, *parts], capture_output=True, text=True, timeout=60)
        assert completed.returncode in (0, 1) and not completed.stderr, completed.stderr
        return completed.returncode == 0

    return verify


def shell(folder: Path) -> Verify:
    return verifier("bash", "-c", SHELL, "-", str(EXAMPLES / "curl" / "verify.sh"))


def php(folder: Path) -> Verify:
    return verifier("php", "-r", PHP, str(EXAMPLES / "php" / "verify.php"))


def java(folder: Path) -> Verify:
    (folder / "Vector.java").write_text(JAVA)
    sources = [str(EXAMPLES / "java" / "Run.java"), str(folder / "Vector.java")]
    subprocess.run(["javac", "--release", "11", "-d", str(folder), *sources], check=True)
    return verifier("java", "-cp", str(folder), "Vector")


@pytest.mark.parametrize(
    "language",
    [
        pytest.param(shell, marks=pytest.mark.needs("openssl")),
        pytest.param(php, marks=[pytest.mark.needs("php"), pytest.mark.long]),
        pytest.param(java, marks=[pytest.mark.needs("java"), pytest.mark.long]),
    ],
)
def test_a_receiver_accepts_the_published_vector_and_refuses_changes(
    language: Callable[[Path], Verify], tmp_path: Path
) -> None:
    verify = language(tmp_path)
    assert verify(BODY, STAMP)
    assert verify(BODY, STAMP + 299)
    assert not verify(BODY + " ", STAMP)
    assert not verify(BODY, STAMP + 360)
    assert not verify(BODY, STAMP - 360)


@pytest.mark.needs("go")
def test_the_go_receiver_verifies_signatures(tmp_path: Path) -> None:
    """Runs the test of the receiver, which gets the vector in the environment."""
    completed = subprocess.run(
        ["go", "test", "-json", "-run", "TestPublishedVector", "."],
        cwd=EXAMPLES / "go",
        env={
            **os.environ,
            "VECTOR_ID": ID,
            "VECTOR_STAMP": str(STAMP),
            "VECTOR_TIME": "2021-02-25T15:02:10Z",
            "VECTOR_BODY": BODY,
            "VECTOR_SECRET": SECRET,
            "VECTOR_SIGNATURE": SIGNATURE,
        },
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert completed.returncode == 0, completed.stdout + completed.stderr
    events = [json.loads(line) for line in completed.stdout.splitlines()]
    passed = [e for e in events if e.get("Test") == "TestPublishedVector"]
    assert passed[-1]["Action"] == "pass"
