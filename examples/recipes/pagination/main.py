"""Stores the quotes of a site whose list has many pages, in each of the three usual ways."""

from urllib.parse import urljoin

import requests
from bs4 import BeautifulSoup
from sdk import CoreSDK

MAX_PAGES = 1000  # for a site that answers every page number


def fetch(session, url):
    answer = session.get(url, timeout=30)
    answer.raise_for_status()
    return answer


def rows_of(page):
    return [
        {"text": quote.select_one(".text").text, "author": quote.select_one(".author").text}
        for quote in page.select(".quote")
    ]


def by_link(session, site):
    """Follow the link "Next" until there is none."""
    url = site
    while url:
        page = BeautifulSoup(fetch(session, url).content, "html.parser")
        yield from rows_of(page)
        link = page.select_one(".next a")
        url = link and urljoin(url, link["href"])


def by_number(session, site):
    """Count page numbers until a page has no rows."""
    for number in range(1, MAX_PAGES + 1):
        answer = fetch(session, f"{site}page/{number}/")
        rows = rows_of(BeautifulSoup(answer.content, "html.parser"))
        if not rows:
            return
        yield from rows


def by_api(session, site):
    """Ask the API from which a page loads more as one scrolls."""
    for number in range(1, MAX_PAGES + 1):
        answer = fetch(session, f"{site}api/quotes?page={number}").json()
        for quote in answer["quotes"]:
            yield {"text": quote["text"], "author": quote["author"]["name"]}
        if not answer["has_next"]:
            return


WAYS = {"link": by_link, "number": by_number, "api": by_api}


def main():
    task = CoreSDK.Parameter.get_input_json_dict()
    site = task.get("site") or "https://quotes.toscrape.com/"
    left = task.get("max_results") or 30
    with requests.Session() as session:
        for row in WAYS[task.get("way") or "link"](session, site):
            CoreSDK.Result.push_data(row)
            left -= 1
            if not left:
                break


if __name__ == "__main__":
    main()
