"""Fuzzes the parsers of untrusted bytes, guided by coverage, for any length of time.

    python bench/fuzz.py [--seconds 60] [--targets handshake,archive] [--corpus FOLDER]

The targets are those of ``tests/support/fuzz_targets.py``, which the suite tests with hypothesis.
Each runs in a separate process with libFuzzer's limits: an input that takes over 5 s is a hang, and
one that uses over 1 GiB of memory a leak. Both end the process like a crash, and the input is
stored in the corpus folder. Needs ``atheris``, which is not in any requirements file, because only
this command uses it: install it with ``uv pip install atheris``. It has wheels for Linux and
Python 3.11 to 3.14; without it this command prints a message and exits with status 2.
"""

from __future__ import annotations

import argparse
import importlib.util
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]
MISSING = """\
atheris is not installed here, so fuzzing guided by coverage is not possible. It is optional:

    uv pip install --python {python} atheris

Without it, script/test --all tries the same targets with hypothesis, 4,000 inputs each."""
BOUNDS = ["-timeout=5", "-rss_limit_mb=1024", "-print_final_stats=1", "-verbosity=0"]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--targets", default="", help="names separated by commas, all by default")
    parser.add_argument("--corpus", type=Path, help="folder that keeps inputs between runs")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if importlib.util.find_spec("atheris") is None:
        print(MISSING.format(python=sys.executable), file=sys.stderr)
        sys.exit(2)
    if options.one:
        fuzz(options.one, options.corpus, options.seconds)
        return
    with tempfile.TemporaryDirectory() as temporary:
        corpus = (options.corpus or Path(temporary)).absolute()
        sys.exit(fuzz_each(options.targets, corpus, options.seconds))


def fuzz_each(wanted: str, corpus: Path, seconds: int) -> int:
    """Fuzz one target after the other; return 1 if one of them failed."""
    from support.fuzz_targets import TARGETS

    failed = 0
    for name in wanted.split(",") if wanted else TARGETS:
        folder = corpus / name.replace(" ", "-")
        folder.mkdir(parents=True, exist_ok=True)
        for number, seed in enumerate(TARGETS[name].seeds):
            (folder / f"seed-{number}").write_bytes(seed)
        command = [sys.executable, __file__, "--one", name, "--corpus", str(folder)]
        started = time.monotonic()
        done = subprocess.run(
            [*command, "--seconds", str(seconds)], capture_output=True, text=True, check=False
        )
        print(
            f"{name:16} {figures_of(done.stderr)}  {time.monotonic() - started:.0f} s", flush=True
        )
        if done.returncode:
            failed = 1
            print((done.stdout + done.stderr)[-4000:], flush=True)
    return failed


def figures_of(output: str) -> str:
    """The number of inputs and the peak memory, from the last output of libFuzzer."""
    figures = dict(re.findall(r"stat::(\w+):\s+(\d+)", output))
    tried, memory = figures.get("number_of_executed_units", "?"), figures.get("peak_rss_mb", "?")
    return f"{tried:>9} inputs, peak {memory:>4} MB"


def fuzz(name: str, corpus: Path, seconds: int) -> None:
    """Fuzz one target in this process; never return."""
    import atheris

    with atheris.instrument_imports(include=["fyke", "hpack"]):
        from support.fuzz_targets import TARGETS

    target = TARGETS[name]
    arguments = [f"-max_total_time={seconds}", f"-max_len={target.size}", *BOUNDS]
    arguments += [f"-artifact_prefix={corpus}/broke-", str(corpus)]
    atheris.Setup([sys.argv[0], *arguments], target.run)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
