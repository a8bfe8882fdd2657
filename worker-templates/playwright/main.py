"""Stores the quotes of a site whose pages are made by scripts, with Playwright."""

from playwright.sync_api import sync_playwright
from sdk import CoreSDK

READ = """quotes => quotes.map(quote => ({
  text: quote.querySelector(".text").textContent,
  author: quote.querySelector(".author").textContent,
  tags: [...quote.querySelectorAll(".tag")].map(tag => tag.textContent),
  url: location.href,
}))"""


def read_page(page):
    """Return the rows of the open page and the address of the next one, None after the last."""
    page.wait_for_selector(".quote")
    links = page.eval_on_selector_all(".next a", "links => links.map(link => link.href)")
    return page.eval_on_selector_all(".quote", READ), next(iter(links), None)


def main():
    task = CoreSDK.Parameter.get_input_json_dict()
    url = task.get("url") or "https://quotes.toscrape.com/js/"
    left = task.get("max_results") or 30
    with sync_playwright() as playwright:
        page = playwright.chromium.launch(timeout=90_000).new_page()
        while url and left > 0:
            page.goto(url)
            rows, url = read_page(page)
            for row in rows[:left]:
                CoreSDK.Result.push_data(row)
            left -= len(rows)


if __name__ == "__main__":
    main()
