"""Pictures of the pages of one commit: ``python -P commit_pictures.py FOLDER``, started in a
checkout of it.

FOLDER contains ``order.json``; it gets the pictures, and ``rendered.json`` with an entry for each.
The process imports the program and the sample data of the checkout, so that each commit is shown
with what belongs to it.
"""

import json
import sys
import tempfile
from pathlib import Path

sys.path.append(str(Path(__file__).parent))

from fixed_world import FixedTime, fix_randomness
from playwright.sync_api import Error
from resting_page import NotRendered, chromium, opened, shot

SIZES = {"1280": {"width": 1280, "height": 800}, "375": {"width": 375, "height": 812}}
STEP_MS = 400
STEPS = ("publish", "begin", "push", "end")  # of the sample data; each moves the clock


def main():
    folder = Path(sys.argv[1])
    order = json.loads((folder / "order.json").read_text())
    clock = FixedTime()
    clock.install()
    fix_randomness()

    # only now, because some of these modules read the clock
    from fyke.telemetry.logging import configure
    from support.app import App, make_templates
    from support.console_seed import seed
    from support.pages import sign_in
    from support.served import served

    configure("console", "error")
    clock.advance_before(App, STEPS, STEP_MS)
    with tempfile.TemporaryDirectory() as place, chromium() as browser:
        templates, data = Path(place) / "templates", Path(place) / "data"
        templates.mkdir()
        data.mkdir()
        with served(data, make_templates(templates), rate_limit=0, port=order["port"]) as server:
            addresses = server.do(seed(server.app), 300).addresses()
            token = server.do(sign_in(server.app.services.sessions, server.app))
            photographer = Photographer(browser, server.base_url, token, clock.now_ms, folder)
            entries = [
                photographer.take(page, addresses.get(page, page), view)
                for page in order["pages"]
                for view in order["views"]
            ]
    (folder / "rendered.json").write_text(json.dumps(entries))
    return 0


class Photographer:
    """Writes the pictures of the served pages."""

    def __init__(self, browser, base_url, token, now_ms, folder):
        self._browser, self._base_url, self._folder = browser, base_url, folder
        self._token, self._now_ms = token, now_ms
        self._taken = 0

    def take(self, page, address, view):
        """Write one picture; return its entry, with ``file`` or with ``fault``."""
        entry = {"page": page, "view": " ".join(view)}
        try:
            picture = self._picture(address, *view)
        except (NotRendered, Error) as error:
            return entry | {"fault": str(error).partition("\n")[0]}
        self._taken += 1
        file = f"{self._taken:03d}.png"
        (self._folder / file).write_bytes(picture)
        return entry | {"file": file}

    def _picture(self, address, theme, width, language):
        if "{" in address:
            raise NotRendered("the sample data of this commit has no address for it")
        with opened(
            self._browser,
            self._base_url,
            address,
            token=self._token,
            now_ms=self._now_ms,
            size=SIZES[width],
            dark=theme == "dark",
            language=language,
        ) as page:
            return shot(page, full_page=True)


if __name__ == "__main__":
    sys.exit(main())
