"""``script/pictures``: the screenshots of README and documentation."""

import argparse
import base64
import re
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from fixed_world import START_MS, FixedTime, fix_randomness

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / "docs" / "pictures"
THEMES = ("light", "dark")
MAX_BYTES = 1_000_000  # of all files
MONTH_MS = 30 * 24 * 3_600_000  # which the account has been used for
WIDTH, HEIGHT = 1120, 745  # with the whole sidebar
SCALE = 1.5  # sharp where a page shows it at two thirds
_PICTURE = re.compile(r"<picture>.*?</picture>", re.S)
_FILE = re.compile(r'(?:src|srcset)="([^"]*)"')
_ALT = re.compile(r'alt="([^"]+)"')
_ENCODE = """async (data) => {
  const picture = await createImageBitmap(
    await (await fetch('data:image/png;base64,' + data)).blob());
  const canvas = new OffscreenCanvas(picture.width, picture.height);
  canvas.getContext('2d').drawImage(picture, 0, 0);
  const blob = await canvas.convertToBlob({type: 'image/webp', quality: 0.8});
  const bytes = new Uint8Array(await blob.arrayBuffer());
  let text = '';
  for (let at = 0; at < bytes.length; at += 32768) {
    text += String.fromCharCode(...bytes.subarray(at, at + 32768));
  }
  return btoa(text);
}"""


@dataclass(frozen=True)
class DocsPicture:
    """``address`` is a name of ``support.month_seed``, or an address. ``fill`` gives values to
    fields by their names, and ``press`` is the button that is pressed then.
    """

    name: str
    address: str
    fill: tuple[tuple[str, str], ...] = ()
    press: str = ""
    width: int = WIDTH
    height: int = HEIGHT

    @property
    def files(self):
        return [FOLDER / f"{self.name}-{theme}.webp" for theme in THEMES]


PICTURES = (
    DocsPicture("overview", "/", width=1280, height=850),
    DocsPicture("run", "output"),
    DocsPicture("failed-run", "failed"),
    DocsPicture("versions", "versions"),
    DocsPicture(
        "alert-rule",
        "/alerts/rules/new?kind=fewer_rows&worker=owner/book-prices",
        (("name", "Half of the books"),),
        "Preview",
    ),
)


def main(arguments):
    parser = argparse.ArgumentParser(
        prog="script/pictures",
        description="Takes the screenshots of README and documentation, light and dark, and writes "
        "them into docs/pictures. The account that they show, its times and its ids are always the "
        "same. Needs Chromium and the packages that script/test installs.",
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="write nothing; list the pictures, their sizes and the pages that show them. The exit "
        "status is 1 if a file is missing or not used, or all are larger than 1 MB",
    )
    parser.add_argument("name", nargs="*", help="of pictures; default: all")
    wanted = parser.parse_args(arguments)
    if wanted.check:
        return check()
    chosen = [picture for picture in PICTURES if not wanted.name or picture.name in wanted.name]
    if len(chosen) < len(set(wanted.name)):
        parser.error(f"the pictures are {', '.join(picture.name for picture in PICTURES)}")
    take(chosen)
    return 0


def check(root=ROOT, pictures=PICTURES, most=MAX_BYTES):
    """Print each picture; return 1 when something is wrong with one."""
    folder = root / "docs" / "pictures"
    users, faults = uses(root)
    wanted = {folder / file.name for picture in pictures for file in picture.files}
    found = set(folder.glob("*")) if folder.is_dir() else set()
    for file in sorted(wanted | found | set(users)):
        place = file.relative_to(root).as_posix()
        if file not in wanted:
            faults.append(f"{place}: script/pictures does not make it")
        elif file not in found:
            faults.append(f"{place}: missing, run script/pictures")
        else:
            pages = ", ".join(sorted(users.get(file, ())))
            print(f"{place}: {file.stat().st_size:,} bytes, in {pages or 'no page'}")
            if not pages:
                faults.append(f"{place}: no page shows it")
    total = sum(file.stat().st_size for file in found)
    print(f"{total:,} bytes in all")
    if total > most:
        faults.append(f"the pictures have {total:,} bytes, more than {most:,}")
    for fault in faults:
        print(fault)
    return 1 if faults else 0


def uses(root):
    """The pages that show each file, and what is wrong with how they do it."""
    users, faults = {}, []
    for page in (root / "README.md", *sorted((root / "docs").rglob("*.md"))):
        name = page.relative_to(root).as_posix()
        for match in _PICTURE.finditer(page.read_text(encoding="utf-8")):
            files = [(page.parent / path).resolve() for path in _FILE.findall(match[0])]
            if [file.stem.rpartition("-")[2] for file in files] != ["dark", "light"]:
                faults.append(f"{name}: a picture needs a dark source, then the light one")
            if not _ALT.search(match[0]):
                faults.append(f"{name}: a picture without alt")
            for file in files:
                users.setdefault(file, set()).add(name)
    return users, faults


def take(pictures):
    """Write the files of ``pictures``."""
    clock = FixedTime(START_MS - MONTH_MS)
    clock.install()
    fix_randomness()

    # only now, because some of these modules read the clock
    from resting_page import chromium

    from fyke.telemetry.logging import configure
    from support.app import make_templates
    from support.month_seed import seed_month
    from support.pages import sign_in
    from support.served import served

    configure("console", "error")
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as place, chromium() as browser:
        templates, data = Path(place) / "templates", Path(place) / "data"
        templates.mkdir()
        data.mkdir()
        with served(data, make_templates(templates), rate_limit=0) as server:
            addresses = server.do(seed_month(server.app, clock, START_MS), 600)
            token = server.do(sign_in(server.app.services.sessions, server.app))
            for picture in pictures:
                address = addresses.get(picture.address, picture.address)
                for theme, file in zip(THEMES, picture.files, strict=True):
                    png = _shot(browser, server.base_url, token, picture, address, theme)
                    file.write_bytes(_webp(browser, png))
                    print(f"{file.relative_to(ROOT)}: {file.stat().st_size:,} bytes")


def _shot(browser, base_url, token, picture, address, theme):
    from resting_page import opened, shot

    with opened(
        browser,
        base_url,
        address,
        token=token,
        now_ms=START_MS,
        size={"width": picture.width, "height": picture.height},
        dark=theme == "dark",
        scale=SCALE,
    ) as page:
        for name, value in picture.fill:
            page.locator(f"main [name={name}]").fill(value)
        if picture.press:
            with page.expect_response(lambda answer: answer.request.method == "POST"):
                page.locator("main").get_by_role("button", name=picture.press).click()
            page.evaluate("scrollTo(0, 0)")
        return shot(page)


def _webp(browser, png):
    page = browser.new_page()
    try:
        return base64.b64decode(page.evaluate(_ENCODE, base64.b64encode(png).decode()))
    finally:
        page.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
