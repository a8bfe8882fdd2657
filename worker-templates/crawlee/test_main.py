"""Tests without a network: python3 -m unittest"""

import unittest

from main import read_page
from parsel import Selector

PAGE = """
<div class="quote"><span class="text">“One”</span> by <small class="author">A. Author</small>
<a class="tag">life</a> <a class="tag">love</a></div>
"""
URL = "https://quotes.toscrape.com/"
ROW = {"text": "“One”", "author": "A. Author", "tags": ["life", "love"], "url": URL}


class ReadPage(unittest.TestCase):
    def test_the_rows(self):
        self.assertEqual(list(read_page(Selector(PAGE), URL)), [ROW])

    def test_a_page_without_quotes(self):
        self.assertEqual(list(read_page(Selector("<p>No quotes found!</p>"), URL)), [])


if __name__ == "__main__":
    unittest.main()
