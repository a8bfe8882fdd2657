"""Tests without a network: python3 -m unittest"""

import unittest

from main import read_page

PAGE = """
<div class="quote"><span class="text">“One”</span> by <small class="author">A. Author</small>
<a class="tag">life</a> <a class="tag">love</a></div>
<li class="next"><a href="/page/2/">Next</a></li>
"""
URL = "https://quotes.toscrape.com/"
ROW = {"text": "“One”", "author": "A. Author", "tags": ["life", "love"], "url": URL}


class ReadPage(unittest.TestCase):
    def test_the_rows_and_the_next_page(self):
        self.assertEqual(read_page(PAGE, URL), ([ROW], f"{URL}page/2/"))

    def test_the_last_page(self):
        self.assertEqual(read_page("<p>No quotes found!</p>", URL), ([], None))


if __name__ == "__main__":
    unittest.main()
