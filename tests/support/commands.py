"""The command line ``fyke`` with a running platform, in this process or in another."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import typer
from typer.testing import CliRunner

from fyke.cli.main import app, main
from support.booted import Booted


class Cli:
    """``fyke`` on the machine of the installation.

    ``run`` calls this program in this process, which saves the start of an interpreter; ``process``
    and ``start`` run that of the platform as a separate process.
    """

    def __init__(self, platform: Booted) -> None:
        self.platform = platform

    def start(self, *arguments: object, **options: Any) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*self.platform.wrapper, *self.platform.program, *map(str, arguments)],
            env=self.platform.environment() | options.pop("env", {}),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )

    def process(
        self, *arguments: object, code: int = 0, stdin: str = "", **options: Any
    ) -> tuple[str, str]:
        """Return standard output and standard error; fail unless the exit status is ``code``."""
        process = self.start(*arguments, **options)
        out, err = process.communicate(stdin, timeout=100)
        assert process.returncode == code, f"{arguments}: {process.returncode}\n{out}\n{err}"
        return out, err

    def run(
        self,
        *arguments: object,
        code: int = 0,
        stdin: str = "",
        env: dict[str, str] | None = None,
        user: int | None = None,
    ) -> tuple[str, str]:
        """Run as ``process`` does, but in this process, with the rights of ``user`` if given (needs
        root).
        """
        streams = [io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in "oe"]
        out, err = streams
        with (
            rights_of(user),
            patch.dict(os.environ, self.platform.environment() | (env or {}), clear=True),
            patch.object(sys, "argv", ["fyke", *map(str, arguments)]),
            patch.object(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode()), "utf-8")),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            status = _status()
        output = tuple(_written(stream) for stream in streams)
        assert status == code, f"{arguments}: {status}\n{output[0]}\n{output[1]}"
        return output[0], output[1]

    def json(self, *arguments: object, **options: Any) -> Any:
        return json.loads(self.run(*arguments, "--json", **options)[0])

    def process_json(self, *arguments: object, **options: Any) -> Any:
        return json.loads(self.process(*arguments, "--json", **options)[0])


@contextlib.contextmanager
def rights_of(user: int | None) -> Iterator[None]:
    """Switch to the user and the group with this number, without further groups; None changes
    nothing.
    """
    if user is None:
        yield
        return
    group, groups = os.getegid(), os.getgroups()
    os.setgroups([])
    os.setegid(user)
    os.seteuid(user)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(group)
        os.setgroups(groups)


def _status() -> int:
    mask = os.umask(0o022)
    try:
        main()
    except SystemExit as end:
        return int(end.code or 0)
    finally:
        os.umask(mask)  # some commands change it
    return 0


def _written(stream: io.TextIOWrapper) -> str:
    buffer = stream.buffer
    assert isinstance(buffer, io.BytesIO)
    return buffer.getvalue().decode()


def names_of_commands(command: Any = None, path: str = "fyke") -> list[str]:
    """Every command that is not hidden, for example ``fyke run start``."""
    command = command or typer.main.get_command(app)
    children = getattr(command, "commands", None)
    if children is None:
        return [path]
    names: list[str] = []
    for name, child in children.items():
        if not child.hidden:
            names += names_of_commands(child, f"{path} {name}")
    return names


def command(*arguments: object) -> tuple[int, str, Any]:
    """Exit status, standard output and error of a command."""
    before = os.umask(0o022)
    answer = CliRunner().invoke(app, [*map(str, arguments)])
    os.umask(before)
    return answer.exit_code, answer.stdout, answer.exception
