"""Crawl a website and turn its pages into text and Markdown.

Only ``fetch``, ``robots`` and ``extract`` use libraries, and import them when first needed: the
Worker may have an eighth of a processor, where every import is time to the first page.
"""
