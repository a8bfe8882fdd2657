"""Why something ended: one place that maps an outcome to a sentence and to what follows from it.

"Your Worker failed" and "we failed" never share an outcome.
"""

from __future__ import annotations

from fyke.model.run import Outcome

SENTENCES: dict[Outcome, str] = {
    Outcome.SUCCEEDED: "",
    Outcome.EXIT_CODE: "The Worker exited with code {code}",
    Outcome.SIGNAL: "The Worker was ended by signal {signal}",
    Outcome.OUT_OF_MEMORY: "Out of memory: the Worker went over its {memory_mb} MB",
    Outcome.TIMEOUT: "Timeout: the run went over its execute_limit_time_seconds of {seconds} s",
    Outcome.ABORTED: "Aborted on request",
    Outcome.TRAFFIC_CAP: "Stopped: max_total_traffic of {megabytes} MB was reached",
    Outcome.CHARGE_CAP: "Stopped: what this run may cost was used up",  # see charge_caps.py
    Outcome.ROW_CAP: "Stopped: the run reached the limit of {limit}",
    Outcome.DISK_CAP: "Stopped: the Worker's files went over {megabytes} MB",
    Outcome.INSTALL_FAILED: "The dependencies could not be installed: {detail}",
    Outcome.ISOLATION_REFUSED: "Not run: {detail}",
    Outcome.WORKER_DELETED: (
        "Worker version unavailable: the Worker was deleted while the run waited"
    ),
    Outcome.RUNNER_LOST: "The runner was lost while the Worker was running; its rows are kept",
    Outcome.INTERNAL: "The platform failed, not the Worker: {detail}",
}

# Only these two hide the rows that the attempt pushed (and only when so set): the Worker itself
# said that its work is not good. Every other end keeps what was acknowledged.
HIDING = frozenset({Outcome.EXIT_CODE.value, Outcome.SIGNAL.value})


def sentence(outcome: Outcome, *, last_words: str = "", **detail: object) -> str:
    """What to tell people; ``last_words`` is the last line of the Worker's stderr, if any."""
    text = SENTENCES[outcome].format(**detail)
    if last_words and outcome in (Outcome.EXIT_CODE, Outcome.SIGNAL):
        return f"{text}: {last_words}"
    return text
