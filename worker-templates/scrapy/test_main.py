"""Tests without a network: python3 -m unittest"""

import unittest

from main import Quotes
from scrapy.http import HtmlResponse

PAGE = """
<div class="quote"><span class="text">“One”</span> by <small class="author">A. Author</small>
<a class="tag">life</a> <a class="tag">love</a></div>
<li class="next"><a href="/page/2/">Next</a></li>
"""
URL = "https://quotes.toscrape.com/"
ROW = {"text": "“One”", "author": "A. Author", "tags": ["life", "love"], "url": URL}


class Parse(unittest.TestCase):
    def parsed(self, page, left):
        return list(Quotes(left=left).parse(HtmlResponse(URL, body=page, encoding="utf-8")))

    def test_the_rows_and_the_next_page(self):
        row, request = self.parsed(PAGE, 2)
        self.assertEqual((row, request.url), (ROW, f"{URL}page/2/"))

    def test_the_last_page(self):
        self.assertEqual(self.parsed(PAGE, 1), [ROW])
        self.assertEqual(self.parsed("<p>No quotes found!</p>", 1), [])


if __name__ == "__main__":
    unittest.main()
