"""Prompts: messages that a user may choose in a program, with blanks to fill in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fyke.mcp.tool import ToolRefused

MAX_ARGUMENT = 4000  # characters


@dataclass(frozen=True, slots=True)
class PromptText:
    """``text`` with the arguments in braces; ``arguments``: name to description, all required."""

    name: str
    title: str
    description: str
    arguments: Mapping[str, str]
    text: str

    def filled(self, values: Mapping[str, str]) -> str:
        """The message. Raises ``ToolRefused`` for a missing or long argument."""
        for name in self.arguments:
            value = values.get(name, "").strip()
            if not 0 < len(value) <= MAX_ARGUMENT:
                raise ToolRefused(f"{name} must have 1 to {MAX_ARGUMENT} characters")
        return self.text.format(**{name: values[name].strip() for name in self.arguments})


PROMPTS = (
    PromptText(
        "collect_data",
        "Collect data",
        "find a Worker for a goal, run it and summarise its rows",
        {"goal": "what to collect, and from where"},
        """\
Collect this with Fyke: {goal}

1. Find a Worker with list_workers and list_store_workers, and read it with describe_worker.
2. Check the input with check_input, and show me the input and what it may cost before you start.
3. Start it with start_run, wait with wait_for_run until it has ended, and read the rows with \
read_rows, with its cursor until there are no more or you have enough.
4. If it has not succeeded or the rows only report errors, use diagnose_run, and propose what to \
change instead of starting it again unchanged.
5. Summarise the rows, and name the run, so that I find it again.""",
    ),
    PromptText(
        "explain_run",
        "Explain a run",
        "why a run failed, collected nothing or waits, and what to do",
        {"run": "id of the run"},
        """\
Explain the run {run} with diagnose_run. Say in a few sentences what happened and why, what the \
evidence is, and what I can do. Start nothing.""",
    ),
    PromptText(
        "repeat_daily",
        "Repeat daily",
        "save the input of a run as a task with a daily schedule",
        {"run": "id of a run that was good", "time": "time of day, HH:mm"},
        """\
Look at the run {run} with get_worker_run and verify_run. If its rows are good, save its input as \
a task that runs daily at {time} with create_worker_task. Show me the task before you save it.""",
    ),
)


def prompt_named(name: str) -> PromptText:
    """Raises ``ToolRefused``."""
    for prompt in PROMPTS:
        if prompt.name == name:
            return prompt
    raise ToolRefused(f"there is no prompt {name}")
