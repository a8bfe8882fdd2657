"""Stores the quotes of a page that loads more of them as one scrolls, with Playwright."""

from playwright.sync_api import TimeoutError as NothingMore
from playwright.sync_api import sync_playwright
from sdk import CoreSDK

READ = """quotes => quotes.map(quote => ({
  text: quote.querySelector(".text").textContent,
  author: quote.querySelector(".author").textContent,
}))"""
MORE = "count => document.querySelectorAll('.quote').length > count"


def main():
    task = CoreSDK.Parameter.get_input_json_dict()
    most = task.get("max_results") or 30
    stored = 0
    with sync_playwright() as playwright:
        page = playwright.chromium.launch(timeout=90_000).new_page()
        page.goto(task.get("url") or "https://quotes.toscrape.com/scroll")
        page.wait_for_selector(".quote")
        while stored < most:
            rows = page.eval_on_selector_all(".quote", READ)
            for row in rows[stored:most]:
                CoreSDK.Result.push_data(row)
            stored = len(rows)
            page.evaluate("scrollTo(0, document.body.scrollHeight)")
            try:
                page.wait_for_function(MORE, arg=stored, timeout=5_000)
            except NothingMore:
                break


if __name__ == "__main__":
    main()
