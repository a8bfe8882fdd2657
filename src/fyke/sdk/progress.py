"""Checks what a Worker reports of its progress."""

from __future__ import annotations

from collections.abc import Callable

from fyke.domain.logs.text import clean
from fyke.errors import InvalidRequest
from fyke.model.progress import MAX_PROGRESS, MAX_PROGRESS_TEXT, WorkerProgress

MAX_READ = 20 * MAX_PROGRESS_TEXT  # characters of a text that are looked at


def checked_progress(
    done: int, total: int, text: str, mask: Callable[[str], str], longest: int = 0
) -> WorkerProgress:
    """Return the progress with its text in one line. ``mask`` replaces secrets of at most
    ``longest`` characters: of a longer text than is looked at, so many are left out at the end,
    where a secret may have started. Raises ``InvalidRequest`` for negative and very large numbers.
    """
    for name, number in (("done", done), ("total", total)):
        if not 0 <= number <= MAX_PROGRESS:
            raise InvalidRequest(
                f"The progress was refused: {name} is {number}, and must be a whole number from 0 "
                f"to {MAX_PROGRESS}."
            )
    masked = mask(text[: MAX_READ + longest])
    if len(text) > MAX_READ + longest:
        masked = masked[: -longest or None]
    line = " ".join(clean(masked).split())
    if len(line) > MAX_PROGRESS_TEXT:
        line = f"{line[: MAX_PROGRESS_TEXT - 1].rstrip()}…"
    return WorkerProgress(done, total, line)
