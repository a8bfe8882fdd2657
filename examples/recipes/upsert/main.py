"""Stores each author of a site once, although most have quotes on several pages."""

from collections import Counter
from urllib.parse import urljoin

import requests
from bs4 import BeautifulSoup
from sdk import CoreSDK


def read(session, url):
    answer = session.get(url, timeout=30)
    answer.raise_for_status()
    return BeautifulSoup(answer.content, "html.parser")


def main():
    task = CoreSDK.Parameter.get_input_json_dict()
    url = task.get("url") or "https://quotes.toscrape.com/"
    quotes = Counter()  # of each author, by the address of the page about the author
    with requests.Session() as session:
        while url:
            page = read(session, url)
            for quote in page.select(".quote"):
                about = urljoin(url, quote.select_one("a[href^='/author/']")["href"])
                quotes[about] += 1
                name = quote.select_one(".author").text
                row = {"url": about, "author": name, "quotes": quotes[about]}
                CoreSDK.Result.upsert_data(row, "url")
            link = page.select_one(".next a")
            url = link and urljoin(url, link["href"])
        for about in quotes:  # each page once
            page = read(session, about)
            born = page.select_one(".author-born-date").text
            CoreSDK.Result.upsert_data({"url": about, "born": born}, "url")


if __name__ == "__main__":
    main()
