"""Stores the quotes of a site, page by page: Requests fetches a page, Beautiful Soup reads it."""

from urllib.parse import urljoin

import requests
from bs4 import BeautifulSoup
from sdk import CoreSDK


def read_page(html, url):
    """Return the rows of a page and the address of the next one, None after the last page."""
    page = BeautifulSoup(html, "html.parser")
    rows = []
    for quote in page.select(".quote"):
        text, author = quote.select_one(".text").text, quote.select_one(".author").text
        tags = [tag.text for tag in quote.select(".tag")]
        rows.append({"text": text, "author": author, "tags": tags, "url": url})
    link = page.select_one(".next a")
    return rows, link and urljoin(url, link["href"])


def main():
    task = CoreSDK.Parameter.get_input_json_dict()
    url = task.get("url") or "https://quotes.toscrape.com/"
    left = task.get("max_results") or 30
    with requests.Session() as session:
        while url and left > 0:
            answer = session.get(url, timeout=30)
            answer.raise_for_status()
            rows, url = read_page(answer.content, url)
            for row in rows[:left]:
                CoreSDK.Result.push_data(row)
            left -= len(rows)


if __name__ == "__main__":
    main()
