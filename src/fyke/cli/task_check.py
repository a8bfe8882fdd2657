"""Warnings about a saved task that cannot run, and errors about the run options saved in it."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from fyke.cli.run_options import saved_option_error

if TYPE_CHECKING:
    from fyke.cli.context import ServerContext


def warn_unless_runnable(server: ServerContext, task: str) -> None:
    """Say which values of the saved input the version does not accept. The API saves them, because
    a later version may accept them. Says nothing where the check fails, or the key may not read.
    """
    from fyke_client.errors import ClientError

    try:
        problems = server.client.checked_task(task).problems
    except ClientError:
        return
    if problems:
        texts = [saved_option_error(each.message, {_option(each.field)}) for each in problems]
        lines = [f"The task {task} cannot run as it is saved:", *texts]
        server.out.say("\n  ".join(lines))


@contextlib.contextmanager
def naming_saved_options(saved: Collection[str]) -> Iterator[None]:
    """Let an error about one of these members of ``system``, which the caller did not give, say
    that it is saved, and how to remove it.
    """
    from fyke_client.errors import ApiError

    try:
        yield
    except ApiError as error:
        error.message = saved_option_error(error.message, saved)
        error.details = [saved_option_error(text, saved) for text in error.details]
        error.args = (error.message, *error.args[1:])
        raise


def _option(field: str) -> str:
    """The run option that a problem is about."""
    return field.removeprefix("input.parameters.system.")
