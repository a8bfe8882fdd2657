"""Stores the quotes of a site, page by page: httpx fetches a page, selectolax reads it."""

from urllib.parse import urljoin

import httpx
from sdk import CoreSDK
from selectolax.lexbor import LexborHTMLParser


def read_page(html, url):
    """Return the rows of a page and the address of the next one, None after the last page."""
    page = LexborHTMLParser(html)
    rows = []
    for quote in page.css(".quote"):
        text, author = quote.css_first(".text").text(), quote.css_first(".author").text()
        tags = [tag.text() for tag in quote.css(".tag")]
        rows.append({"text": text, "author": author, "tags": tags, "url": url})
    link = page.css_first(".next a")
    return rows, link and urljoin(url, link.attributes["href"])


def main():
    task = CoreSDK.Parameter.get_input_json_dict()
    url = task.get("url") or "https://quotes.toscrape.com/"
    left = most = task.get("max_results") or 30
    with httpx.Client(follow_redirects=True, timeout=30) as client:
        while url and left > 0:
            CoreSDK.Progress.set(most - left, most, url)
            rows, url = read_page(client.get(url).raise_for_status().text, url)
            for row in rows[:left]:
                CoreSDK.Result.push_data(row)
            left -= len(rows)


if __name__ == "__main__":
    main()
