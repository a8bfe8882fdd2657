"""Aborting many runs: one that has just ended, or cannot be aborted, does not stop the rest."""

from __future__ import annotations

from collections.abc import Sequence

from fyke.cli.context import ServerContext
from fyke.cli.errors import CommandFailed, Exit, failure_of

_ENDED = 70002  # the wire code for a run that has ended, or is being aborted


def abort_all(server: ServerContext, runs: Sequence[str]) -> None:
    """Abort each run, and report which are aborted, had ended, and could not be aborted. Raises
    ``CommandFailed`` for the last ones; a server that is away is not asked again.
    """
    aborted, ended, failures = list[str](), list[str](), dict[str, CommandFailed]()
    for at, slug in enumerate(runs):
        try:
            server.client.abort(slug)
            aborted.append(slug)
        except Exception as error:
            failure = failure_of(error)
            if failure is None:
                raise
            if getattr(error, "code", 0) == _ENDED:
                ended.append(slug)
                continue
            failures[slug] = failure
            if failure.code is Exit.UNREACHABLE:
                failures |= dict.fromkeys(runs[at:], failure)
                break
    _report(server, aborted, ended, failures)
    if failures:
        first = next(iter(failures.values()))
        raise CommandFailed(f"{_runs(len(failures))} could not be aborted: {first}", first.code)


def _report(
    server: ServerContext,
    aborted: Sequence[str],
    ended: Sequence[str],
    failures: dict[str, CommandFailed],
) -> None:
    if server.out.as_json:
        failed = [{"run": slug, "reason": str(failure)} for slug, failure in failures.items()]
        server.out.json({"aborted": aborted, "ended": ended, "failed": failed})
        return
    if aborted:
        server.out.say(f"Aborting {_runs(len(aborted))}.")
    if ended:
        server.out.say(f"{_runs(len(ended))} had ended already.")
    if not (aborted or ended or failures):
        server.out.say("No active run matches.")


def _runs(count: int) -> str:
    return f"{count} {'run' if count == 1 else 'runs'}"
