"""Fuzz what strangers' bytes reach, guided by coverage, for as long as one likes.

    python bench/fuzz.py [--seconds 60] [--targets handshake,archive] [--corpus FOLDER]

The targets are those of ``tests/support/fuzz_targets.py``, which the suite tries with hypothesis.
Each runs in a process of its own with libFuzzer's bounds: an input that takes over 5 s is a hang,
one that takes over 1 GiB of memory a leak; both end it like a crash does, and the input is kept in
the corpus folder. Needs ``atheris``, which nothing else of Fyke needs and which is therefore in no
requirements file: install it into the environment by hand (``uv pip install atheris``). It has
wheels for Linux and the Pythons 3.11 to 3.14; without it this command says so and ends with 2.
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
atheris is not installed here, so nothing is fuzzed by coverage. It is optional:

    uv pip install --python {python} atheris

Without it, script/test --all tries the same targets with hypothesis, 4,000 inputs each."""
BOUNDS = ["-timeout=5", "-rss_limit_mb=1024", "-print_final_stats=1", "-verbosity=0"]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--targets", default="", help="names with commas between, all by default")
    parser.add_argument("--corpus", type=Path, help="where inputs are kept between runs")
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
        sys.exit(all_of(options.targets, corpus, options.seconds))


def all_of(wanted: str, corpus: Path, seconds: int) -> int:
    """Fuzz one target after the other; returns 1 when one of them broke."""
    from support.fuzz_targets import TARGETS

    broken = 0
    for name in wanted.split(",") if wanted else TARGETS:
        folder = corpus / name.replace(" ", "-")
        folder.mkdir(parents=True, exist_ok=True)
        for number, seed in enumerate(TARGETS[name].seeds):
            (folder / f"seed-{number}").write_bytes(seed)
        command = [sys.executable, __file__, "--one", name, "--corpus", str(folder)]
        began = time.monotonic()
        done = subprocess.run(
            [*command, "--seconds", str(seconds)], capture_output=True, text=True, check=False
        )
        print(f"{name:16} {verdict(done.stderr)}  {time.monotonic() - began:.0f} s", flush=True)
        if done.returncode:
            broken = 1
            print((done.stdout + done.stderr)[-4000:], flush=True)
    return broken


def verdict(said: str) -> str:
    """Inputs tried, and the most memory, from libFuzzer's last words."""
    figures = dict(re.findall(r"stat::(\w+):\s+(\d+)", said))
    tried, memory = figures.get("number_of_executed_units", "?"), figures.get("peak_rss_mb", "?")
    return f"{tried:>9} inputs, peak {memory:>4} MB"


def fuzz(name: str, corpus: Path, seconds: int) -> None:
    """In the process of one target: never returns."""
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
