"""Measures the cost of masking secrets in a row, from the push to the stored form.

    python bench/masking.py [--seconds 0.3]

Pure computation in one thread without a store: ``decode_row`` alone, then with masking of 1, 5 and
50 secrets that are not in the rows, and of one that is in every text. Rows are objects with texts
of 40 characters, without and with an escape sequence in each text, because these take different
code paths. Also log lines of 200 characters with the same maskers.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterable

from common import arguments, head, line

from fyke.domain.results.redaction import mask_row
from fyke.domain.results.rows import decode_row
from fyke.domain.secrets.masking import Masker

ALPHABET = "abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVWXYZ 0123456789"
SIZES = (4, 20, 100)  # texts in a row
HELD = "Tr0ub4dor&3-session"
KINDS = ("no secret", "1 secret", "5 secrets", "50 secrets", "one in every text")
ROUNDS = 5


def text(random_: random.Random, length: int) -> str:
    return "".join(random_.choices(ALPHABET, k=length))


def rows_of(fields: int, end: str, more: str = "") -> list[bytes]:
    random_ = random.Random(fields)
    return [
        json.dumps({f"field{n}": text(random_, 40) + end + more for n in range(fields)}).encode()
        for _ in range(200)
    ]


def masker_of(secrets: int) -> Masker:
    random_ = random.Random(secrets)
    return Masker({f"SECRET_{n}": text(random_, 32) for n in range(secrets)})


def micros(work: Callable[[], None], items: int, seconds: float) -> float:
    """Microseconds per item, the best of several rounds."""
    best = float("inf")
    for _ in range(ROUNDS):
        started, calls = time.perf_counter(), 0
        while time.perf_counter() - started < seconds / ROUNDS:
            work()
            calls += 1
        best = min(best, (time.perf_counter() - started) / calls / items)
    return best * 1e6


def of_rows(rows: list[bytes], masker: Masker | None, seconds: float) -> float:
    def work() -> None:
        for row in rows:
            decoded = decode_row(row)
            if masker is not None:
                mask_row(masker, decoded)

    return micros(work, len(rows), seconds)


def of_lines(lines: list[str], masker: Masker, seconds: float) -> float:
    def work() -> None:
        for each in lines:
            masker.text(each)

    return micros(work, len(lines), seconds)


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--seconds", type=float, default=0.3, help="for each figure")
    seconds = parser.parse_args().seconds
    maskers = {n: masker_of(n) for n in (1, 5, 50)}
    held = Masker({"LOGIN": HELD})
    head("Masking of secrets, microseconds a row")
    for fields in SIZES:
        for end in ("", "\n"):
            rows = rows_of(fields, end)
            alone = of_rows(rows, None, seconds)
            more = [of_rows(rows, masker, seconds) for masker in maskers.values()]
            found = of_rows(rows_of(fields, end, HELD), held, seconds)
            name = f"{len(rows[0]):,} bytes, {'escapes' if end else 'plain'}"
            show(name, zip(KINDS, (alone, *more, found), strict=True))
    lines = [text(random.Random(n), 200) for n in range(200)]
    figures = [of_lines(lines, masker, seconds) for masker in maskers.values()]
    show("log lines of 200", zip(KINDS[1:4], figures, strict=True))


def show(name: str, figures: Iterable[tuple[str, float]]) -> None:
    for kind, figure in figures:
        line(f"{name}, {kind}", f"{figure:8.1f} us", cpu_us=figure)


if __name__ == "__main__":
    main()
