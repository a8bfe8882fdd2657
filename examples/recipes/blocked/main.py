"""Stores the quotes of a site that refuses some requests: another proxy, a pause, and an end."""

import os
import random
import secrets
import time

import requests
from bs4 import BeautifulSoup
from sdk import CoreSDK

REFUSED = {403, 429, 503}
TRIES = 5  # of a page
MAX_LOST = 3  # pages one after another; then the site refuses everything, and the run ends


def new_visitor():
    """A session without cookies, whose connections leave from one proxy of the region."""
    user, password = os.environ["PROXY_AUTH"].split(":", 1)
    word = secrets.token_hex(8)
    proxy = f"http://{user}-session-{word}:{password}@{os.environ['PROXY_DOMAIN']}"
    session = requests.Session()
    session.trust_env = False  # otherwise the variables of the environment are used
    session.proxies = {"http": proxy, "https": proxy}
    return session


class Visitor:
    def __init__(self, pause):
        self.session = new_visitor()
        self.pause = pause  # seconds, doubled with each try

    def fetch(self, url):
        """Return the last answer for the page."""
        for attempt in range(TRIES):
            answer = self.session.get(url, timeout=30)
            if answer.status_code not in REFUSED:
                answer.raise_for_status()
                break
            asked = answer.headers.get("Retry-After", "")
            pause = self.pause * 2**attempt * random.uniform(0.5, 1.5)
            pause = min(max(pause, int(asked) if asked.isdecimal() else 0), 120)
            CoreSDK.Log.warn(f"{url}: {answer.status_code}, try {attempt + 1} of {TRIES}")
            time.sleep(pause)
            self.session = new_visitor()
        return answer


def main():
    task = CoreSDK.Parameter.get_input_json_dict()
    site = task.get("site") or "https://quotes.toscrape.com/"
    visitor = Visitor(task.get("pause") or 2)
    lost = 0
    for number in range(1, (task.get("pages") or 3) + 1):
        url = f"{site}page/{number}/"
        answer = visitor.fetch(url)
        if answer.status_code in REFUSED:
            lost += 1
            if lost == MAX_LOST:
                raise SystemExit(f"{lost} pages in a row were refused: {answer.status_code}")
            CoreSDK.Result.push_data({"url": url, "error": str(answer.status_code)})
            continue
        lost = 0
        for quote in BeautifulSoup(answer.content, "html.parser").select(".quote"):
            row = {"text": quote.select_one(".text").text, "url": url, "error": ""}
            CoreSDK.Result.push_data(row)


if __name__ == "__main__":
    main()
