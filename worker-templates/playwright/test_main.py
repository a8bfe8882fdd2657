"""Tests without a network, in a browser: python3 -m unittest"""

import unittest

from main import read_page
from playwright.sync_api import sync_playwright

URL = "https://quotes.toscrape.com/js/"
PAGE = f"""
<base href="{URL}"><div id="quotes"></div>
<li class="next"><a href="/js/page/2/">Next</a></li>
<script>
quotes.innerHTML = `<div class="quote"><span class="text">“One”</span>
by <small class="author">A. Author</small> <a class="tag">life</a> <a class="tag">love</a></div>`;
</script>
"""
ROW = {"text": "“One”", "author": "A. Author", "tags": ["life", "love"], "url": "about:blank"}


class ReadPage(unittest.TestCase):
    def test_the_rows_and_the_next_page(self):
        with sync_playwright() as playwright:
            page = playwright.chromium.launch(timeout=90_000).new_page()
            page.set_content(PAGE)
            self.assertEqual(read_page(page), ([ROW], f"{URL}page/2/"))


if __name__ == "__main__":
    unittest.main()
