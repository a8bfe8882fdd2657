"""Signs in to a site, and stores its quotes with a link that only users see."""

import os
from urllib.parse import urljoin

import requests
from bs4 import BeautifulSoup
from sdk import CoreSDK


def read(answer):
    answer.raise_for_status()
    return BeautifulSoup(answer.content, "html.parser")


def is_signed_in(page):
    return page.select_one("a[href='/logout']") is not None


def sign_in(session, site):
    """Send the form with the secrets, and the hidden token that the site expects back."""
    url = urljoin(site, "/login")
    form = read(session.get(url, timeout=30))
    fields = {
        "csrf_token": form.select_one("[name=csrf_token]")["value"],
        "username": os.environ["QUOTES_USER"],
        "password": os.environ["QUOTES_PASSWORD"],
    }
    if not is_signed_in(read(session.post(url, data=fields, timeout=30))):
        raise SystemExit("The site refused the user name or the password.")
    CoreSDK.Log.info("Signed in.")


def main():
    task = CoreSDK.Parameter.get_input_json_dict()
    url = task.get("url") or "https://quotes.toscrape.com/"
    left = task.get("max_results") or 30
    with requests.Session() as session:  # keeps the cookies
        sign_in(session, url)
        while url and left > 0:
            page = read(session.get(url, timeout=30))
            if not is_signed_in(page):  # the site has ended the session
                sign_in(session, url)
                page = read(session.get(url, timeout=30))
            for quote in page.select(".quote")[:left]:
                author = quote.select_one(".author").text
                link = quote.select_one("a[href*='goodreads.com']")
                CoreSDK.Result.push_data({"author": author, "goodreads": link["href"]})
                left -= 1
            link = page.select_one(".next a")
            url = link and urljoin(url, link["href"])


if __name__ == "__main__":
    main()
