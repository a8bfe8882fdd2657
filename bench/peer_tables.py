"""Measures sorting, filtering and exporting with DuckDB, polars, XlsxWriter and Python's csv.

    python bench/peer_tables.py [--rows 1000000]

Installs them into an environment of their own below ``~/.cache/fyke-bench`` (from PyPI), writes the
rows of ``orders.py`` into a file as JSON lines, without their mixed field, and runs each work once,
from the file to the first 20 rows in an order, to all rows of a filter, or to a written file.
Prints seconds, CPU seconds and rows a second.

Not equal: they read one file that nobody writes, keep the type of a column only if all rows have
it, and hold all rows in memory. Fyke reads the store, and sorts integers of any size exactly.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from common import arguments, head, line
from orders import make_row
from peers.install import python_environment


def write_rows(path: Path, count: int) -> None:
    with path.open("w") as file:
        for number in range(count):
            row = json.loads(make_row(number).data)
            del row["mixed"]
            file.write(json.dumps(row) + "\n")


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    options = parser.parse_args()
    head("Sorting, filtering and exporting with other programs")
    python = python_environment("tables") / "python"
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        rows = folder / "rows.jsonl"
        write_rows(rows, options.rows)
        program = Path(__file__).parent / "peers" / "tables.py"
        command = [python, program, rows, folder]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for each in process.stdout:
                show(json.loads(each))
    return process.returncode


def show(figure: dict) -> None:
    name, elapsed, cpu, rate = figure.values()
    text = f"{elapsed:6.2f} s, {cpu:.2f} s of CPU, {rate:,.0f} rows/s"
    line(name, text, elapsed_s=elapsed, cpu_s=cpu, rate_per_s=rate)


if __name__ == "__main__":
    sys.exit(main())
