"""``script/compare-pages``: what two commits show differently.

The pages of each commit are served by its own program with its own sample data, in a process
whose clock and random numbers are fixed; see ``commit_pictures.py``.
"""

import argparse
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from difference_report import percent, report
from picture_difference import PictureDifference, difference

ROOT = Path(__file__).resolve().parents[3]
TAKER = Path(__file__).with_name("commit_pictures.py")
# addresses, or names in tests/support/console_seed.py
PAGES = (
    "/",
    "/store",
    "/w/{owner}/{name}",
    "/w/{owner}/{name}/trends",
    "/w/{owner}/{name}/versions",
    "/runs",
    "/runs/{id}",
    "/runs/{id}/log",
    "/runs/{id}/usage",
    "state failed",
    "/queue",
    "/tasks/{id}",
    "/schedules",
    "/alerts",
    "/guide/{page:path}",
)
THEMES = ("light", "dark")
WIDTHS = ("1280", "375")
SECONDS = 1800  # for the pictures of one commit
SHOWN = 10  # differences that are printed


@dataclass(frozen=True)
class PictureResult:
    """One picture of both commits: files relative to the report, or faults."""

    name: str
    before: str = ""
    after: str = ""
    marked: str = ""
    difference: PictureDifference | None = None
    faults: tuple[str, ...] = ()


def main(arguments):
    wanted = _parser().parse_args(arguments)
    before = _commit(wanted.base)
    after = _commit(wanted.head) if wanted.head else ""
    folder = (wanted.folder or Path(tempfile.mkdtemp(prefix="fyke-pages-"))).resolve()
    if folder.is_relative_to(ROOT):
        sys.exit("script/compare-pages: the folder must be outside of the repository")
    names = (_short(wanted.base), _short(wanted.head or "the working tree"))
    order = {
        "port": _free_port(),  # one for both, because pages contain it
        "pages": wanted.page or list(PAGES),
        "views": [[theme, width, wanted.language] for theme in THEMES for width in WIDTHS],
    }
    sides = []
    for side, commit, name in zip(("before", "after"), (before, after), names, strict=True):
        print(f"taking pictures of {name}", file=sys.stderr)
        place = folder / side
        place.mkdir(parents=True, exist_ok=True)
        with checkout(commit) as tree:
            sides.append(take(tree, place, order))
    results = compare(folder, names, order, *sides)
    (folder / "index.html").write_text(report(*names, results), encoding="utf-8")
    return summarize(results, folder)


def _parser():
    parser = argparse.ArgumentParser(
        prog="script/compare-pages",
        description="Takes pictures of 15 pages of the console of two commits, 1280 and 375 pixels "
        "wide and in both themes, and writes a report of what differs. The exit status is 0 when "
        "nothing does, 1 when something does, and 2 when a page could not be shown. It needs "
        "Chromium and the packages that script/test installs; the packages are those of this "
        "clone for both commits.",
    )
    parser.add_argument("base", metavar="BASE", help="a commit")
    parser.add_argument("head", metavar="HEAD", nargs="?", help="a commit; default: the files here")
    parser.add_argument("--folder", type=Path, help="for the report; default: a temporary one")
    parser.add_argument(
        "--page",
        action="append",
        help="an address, or a name of tests/support/console_seed.py such as '/runs/{id}/log', "
        "instead of the 15; may be repeated",
    )
    parser.add_argument("--language", default="en", help="of the pages: en or zh-CN")
    return parser


def _commit(name):
    command = ["git", "-C", str(ROOT), "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    if found.returncode:
        sys.exit(f"script/compare-pages: there is no commit {name}")
    return found.stdout.strip()


def _short(name):
    """A digest as git abbreviates it; any other name as it is."""
    return name[:12] if re.fullmatch("[0-9a-f]{40}", name) else name


def _free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@contextmanager
def checkout(commit):
    """A folder with the files of ``commit``; for "" that of this clone."""
    if not commit:
        yield ROOT
        return
    with tempfile.TemporaryDirectory() as place:
        archive = Path(place) / "files.tar"
        command = ["git", "-C", str(ROOT), "archive", "--output", str(archive), commit]
        subprocess.run(command, check=True)
        tree = Path(place) / "files"
        tree.mkdir()
        subprocess.run(["tar", "-xf", str(archive), "-C", str(tree)], check=True)
        yield tree


def take(tree, place, order):
    """Take the pictures of the files in ``tree``; return their entries by page and view. When the
    process fails, each entry has its last words.
    """
    for old in (*place.glob("*.png"), place / "rendered.json"):
        old.unlink(missing_ok=True)
    (place / "order.json").write_text(json.dumps(order))
    environment = {name: value for name, value in os.environ.items() if name[:5] != "FYKE_"}
    environment |= {
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": os.pathsep.join(
            str(tree / name) for name in ("src", "clients/python/src", "tests")
        ),
    }
    # -P: a module of this folder must not hide one of the commit
    ended = subprocess.run(
        [sys.executable, "-P", str(TAKER), str(place)],
        cwd=tree,
        env=environment,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    if ended.returncode:
        sys.stderr.write(ended.stderr)
        words = ended.stderr.strip().rpartition("\n")[2]
        fault = f"no page could be served (status {ended.returncode}): {words}"
        return {
            (page, " ".join(view)): {"fault": fault}
            for page in order["pages"]
            for view in order["views"]
        }
    entries = json.loads((place / "rendered.json").read_text())
    return {(entry["page"], entry["view"]): entry for entry in entries}


def compare(folder, names, order, before, after):
    """A result for each picture that was ordered; files that are the same in both are removed."""
    from resting_page import chromium

    with chromium() as browser:
        return results_of(browser.new_page(), folder, names, order, before, after)


def results_of(blank, folder, names, order, before, after):
    """Compare the entries of both commits in a ``blank`` page."""
    keys = [(page, " ".join(view)) for page in order["pages"] for view in order["views"]]
    return [_result(blank, folder, names, key, before[key], after[key]) for key in keys]


def _result(blank, folder, names, key, before, after):
    name = f"{key[0]}, {key[1]}"
    faults = tuple(
        f"{commit}: {entry['fault']}"
        for commit, entry in zip(names, (before, after), strict=True)
        if "fault" in entry
    )
    if faults:
        return PictureResult(name, faults=faults)
    files = [folder / "before" / before["file"], folder / "after" / after["file"]]
    found = difference(blank, *(file.read_bytes() for file in files))
    if found is None:
        for file in files:
            file.unlink()
        return PictureResult(name)
    marked = folder / "marked" / after["file"]
    marked.parent.mkdir(exist_ok=True)
    marked.write_bytes(found.drawn)
    relative = [file.relative_to(folder).as_posix() for file in (*files, marked)]
    return PictureResult(name, *relative, difference=found)


def summarize(results, folder):
    """Print what was found; return the exit status."""
    failed = [result for result in results if result.faults]
    changed = [result for result in results if result.difference]
    for result in failed:
        print(f"not shown: {result.name}: {'; '.join(result.faults)}")
    changed.sort(key=lambda result: -result.difference.share)
    for result in changed[:SHOWN]:
        print(f"{percent(result.difference.share):>12}  {result.name}")
    if len(changed) > SHOWN:
        print(f"and {len(changed) - SHOWN} more")
    print(
        f"{len(changed)} of {len(results)} pictures differ, {len(failed)} could not be taken: "
        f"{folder / 'index.html'}"
    )
    if failed:
        return 2
    return 1 if changed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
