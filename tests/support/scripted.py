"""A server with scripted answers, for tests of the output of commands."""

from __future__ import annotations

import io
from typing import Any

from fyke.cli.output import Output


class Script:
    """A client with an answer, or successive answers, for each name; exceptions are raised."""

    def __init__(self, answers: dict[str, Any]) -> None:
        self._answers = answers
        self.calls: list[tuple[Any, ...]] = []

    def __getattr__(self, name: str) -> Any:
        def call(*positional: Any, **named: Any) -> Any:
            self.calls.append((name, *positional, *([named] if named else [])))
            answer = self._answers[name]
            if isinstance(answer, Turns):
                answer = answer.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer

        return call


class Turns(list[Any]):
    """Answers of one call, in turn."""


class ScriptedServer:
    """Replaces a ``ServerContext``."""

    def __init__(self, as_json: bool = False, **answers: Any) -> None:
        self._stdout, self._stderr = io.StringIO(), io.StringIO()
        self.client: Any = Script(answers)
        self.out = Output(as_json, self._stdout, self._stderr)

    @property
    def data(self) -> str:
        """The text on standard output."""
        return self._stdout.getvalue()

    @property
    def messages(self) -> str:
        """The text on standard error."""
        return self._stderr.getvalue()

    @property
    def fields(self) -> dict[str, str]:
        """The names and values on standard output, separated by two spaces."""
        pairs = (line.partition("  ") for line in self.data.splitlines())
        return {name: value.strip() for name, _, value in pairs}
