"""Fetches one state of a repository and reads it as objects. Runs inside a sandbox.

``python3 -I reader.py ASK``: ASK is a file of JSON with ``git``, ``settings``, ``url``, ``ref``,
``folder``, ``list`` and ``most``. It writes ``out/listing``, the output of ``git ls-tree``
for the folder in at most ``list`` bytes, and ``out/objects``, the output of ``git cat-file`` for
its files, unless they are more than ``most`` bytes. It prints the commit as JSON, or the step that
failed and its message. One file of plain standard library: a sandbox has nothing else.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NoReturn

HERE = "refs/fyke/fetched"
MAX_SAID = 16 * 1024
LINK, MODULE = b"120000", b"160000"


def blobs(listing: bytes) -> list[tuple[bytes, int]]:
    """Name and size of each file, but not of links and submodules."""
    found = []
    for line in filter(None, listing.split(b"\0")):
        mode, kind, name, size = line.partition(b"\t")[0].split()
        if kind == b"blob" and mode not in (LINK, MODULE):
            found.append((name, int(size)))
    return found


class Reader:
    """Runs git in a new repository, in which nothing is ever checked out."""

    def __init__(self, ask: dict[str, Any]) -> None:
        self.ask = ask
        self.base = [ask["git"]]
        for setting in ask["settings"]:
            self.base += ["-c", setting]
        os.mkdir("repository")  # noqa: PTH102 - plain and short
        os.mkdir("out")  # noqa: PTH102

    def git(self, *arguments: str) -> bytes:
        done = subprocess.run(
            [*self.base, *arguments],
            cwd="repository",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
        if done.returncode:
            self.fail(arguments[0], done.stderr[-MAX_SAID:].decode("utf-8", "replace"))
        return done.stdout

    def read(self) -> str:
        """Return the commit."""
        self.git("init", "-q", "--bare", "--template=", ".")
        self.git(
            "fetch", "--quiet", "--depth=1", "--no-tags", "--no-recurse-submodules",
            "--no-write-fetch-head", "--end-of-options",
            self.ask["url"], f"{self.ask['ref']}:{HERE}",
        )  # fmt: skip
        found = self.git("rev-parse", "--verify", "--quiet", f"{HERE}^{{commit}}")
        commit = found.decode("ascii", "replace").strip()
        listing = self.list(f"{commit}:{self.ask['folder']}")
        Path("out/listing").write_bytes(listing)
        files = blobs(listing)
        if sum(size for _, size in files) <= self.ask["most"]:
            self.write_objects(b"".join(name + b"\n" for name, _ in files))
        return commit

    def list(self, folder: str) -> bytes:
        """List the folder, up to a limit, because nested trees can be unboundedly large."""
        command = [*self.base, "ls-tree", "-r", "-z", "-l", folder]
        with subprocess.Popen(
            command,
            cwd="repository",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as process:
            most = self.ask["list"]
            listing = process.stdout.read(most + 1) if process.stdout else b""
            if len(listing) > most:
                process.kill()
                self.fail("list", "")
        if process.returncode:
            self.fail("ls-tree", "")
        return listing

    def fail(self, step: str, said: str) -> NoReturn:
        sys.stdout.write(json.dumps({"step": step, "said": said}))
        sys.exit(1)

    def write_objects(self, names: bytes) -> None:
        with Path("out/objects").open("wb") as objects:
            done = subprocess.run(
                [*self.base, "cat-file", "--batch"],
                cwd="repository",
                input=names,
                stdout=objects,
                stderr=subprocess.DEVNULL,
                check=False,
            )
        if done.returncode:
            self.fail("cat-file", "")


if __name__ == "__main__":
    made = Reader(json.loads(Path(sys.argv[1]).read_text("utf-8")))
    sys.stdout.write(json.dumps({"commit": made.read()}))
