"""Fetches one state of a repository and reads it as objects. Runs inside a sandbox.

``python3 -I reader.py REQUEST``: REQUEST is a file of JSON with ``git``, ``settings``, ``url``,
``ref``, ``folder``, ``max_listing`` and ``max_bytes``. It writes ``out/listing``, the output of
``git ls-tree`` for the folder with at most ``max_listing`` bytes, and ``out/objects``, the output
of ``git cat-file`` for its files, unless they have more than ``max_bytes`` bytes. It prints
``{"commit"}``, or the failed ``{"step", "message"}``. It uses only the standard library, because a
sandbox has nothing else.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NoReturn

REF = "refs/fyke/fetched"
MAX_MESSAGE = 16 * 1024
LINK, MODULE = b"120000", b"160000"


def blobs(listing: bytes) -> list[tuple[bytes, int]]:
    """Name and size of each file, but not of links and submodules."""
    files = []
    for line in filter(None, listing.split(b"\0")):
        mode, kind, name, size = line.partition(b"\t")[0].split()
        if kind == b"blob" and mode not in (LINK, MODULE):
            files.append((name, int(size)))
    return files


class Reader:
    """Runs git in a new bare repository: nothing is checked out."""

    def __init__(self, request: dict[str, Any]) -> None:
        self.request = request
        self.base = [request["git"]]
        for setting in request["settings"]:
            self.base += ["-c", setting]
        os.mkdir("repository")  # noqa: PTH102 - plain and short
        os.mkdir("out")  # noqa: PTH102

    def git(self, *arguments: str) -> bytes:
        result = subprocess.run(
            [*self.base, *arguments],
            cwd="repository",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
        if result.returncode:
            self.fail(arguments[0], result.stderr[-MAX_MESSAGE:].decode("utf-8", "replace"))
        return result.stdout

    def read(self) -> str:
        """Return the commit."""
        self.git("init", "-q", "--bare", "--template=", ".")
        self.git(
            "fetch", "--quiet", "--depth=1", "--no-tags", "--no-recurse-submodules",
            "--no-write-fetch-head", "--end-of-options",
            self.request["url"], f"{self.request['ref']}:{REF}",
        )  # fmt: skip
        output = self.git("rev-parse", "--verify", "--quiet", f"{REF}^{{commit}}")
        commit = output.decode("ascii", "replace").strip()
        listing = self.list(f"{commit}:{self.request['folder']}")
        Path("out/listing").write_bytes(listing)
        files = blobs(listing)
        if sum(size for _, size in files) <= self.request["max_bytes"]:
            self.write_objects(b"".join(name + b"\n" for name, _ in files))
        return commit

    def list(self, folder: str) -> bytes:
        """List the folder up to a limit, because nested trees can be arbitrarily large."""
        command = [*self.base, "ls-tree", "-r", "-z", "-l", folder]
        with subprocess.Popen(
            command,
            cwd="repository",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as process:
            limit = self.request["max_listing"]
            listing = process.stdout.read(limit + 1) if process.stdout else b""
            if len(listing) > limit:
                process.kill()
                self.fail("list", "")
        if process.returncode:
            self.fail("ls-tree", "")
        return listing

    def fail(self, step: str, message: str) -> NoReturn:
        sys.stdout.write(json.dumps({"step": step, "message": message}))
        sys.exit(1)

    def write_objects(self, names: bytes) -> None:
        with Path("out/objects").open("wb") as objects:
            result = subprocess.run(
                [*self.base, "cat-file", "--batch"],
                cwd="repository",
                input=names,
                stdout=objects,
                stderr=subprocess.DEVNULL,
                check=False,
            )
        if result.returncode:
            self.fail("cat-file", "")


if __name__ == "__main__":
    reader = Reader(json.loads(Path(sys.argv[1]).read_text("utf-8")))
    sys.stdout.write(json.dumps({"commit": reader.read()}))
