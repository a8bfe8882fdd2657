"""Stores the quotes of a site as several visitors, each with its own proxy and its own cookies."""

import os

import requests
from bs4 import BeautifulSoup
from sdk import CoreSDK


def new_visitor(word):
    """A session whose connections all leave from the same proxy of the region."""
    user, password = os.environ["PROXY_AUTH"].split(":", 1)
    proxy = f"http://{user}-session-{word}:{password}@{os.environ['PROXY_DOMAIN']}"
    session = requests.Session()
    session.trust_env = False  # otherwise the variables of the environment are used
    session.proxies = {"http": proxy, "https": proxy}
    return session


def main():
    task = CoreSDK.Parameter.get_input_json_dict()
    site = task.get("site") or "https://quotes.toscrape.com/"
    visitors = [new_visitor(f"visitor{n}") for n in range(task.get("visitors") or 3)]
    for number in range(1, (task.get("pages") or 6) + 1):
        url = f"{site}page/{number}/"
        answer = visitors[number % len(visitors)].get(url, timeout=30)
        answer.raise_for_status()
        for quote in BeautifulSoup(answer.content, "html.parser").select(".quote"):
            CoreSDK.Result.push_data({"text": quote.select_one(".text").text, "url": url})


if __name__ == "__main__":
    main()
