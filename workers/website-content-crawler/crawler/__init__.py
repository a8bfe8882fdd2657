"""Crawls a website and converts its pages to text and Markdown.

Libraries are imported when they are first used: the Worker may have an eighth of a CPU, where every
import delays the first page.
"""
