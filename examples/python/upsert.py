"""Puts the rows of a run into a database, which then has each author once, with the newest values.

python upsert.py RUN authors.db     # with FYKE_URL and FYKE_KEY in the environment
"""

import sqlite3
import sys

from fyke_client import Fyke

UPSERT = """INSERT INTO authors (url, author, born, quotes) VALUES (:url, :author, :born, :quotes)
ON CONFLICT (url) DO UPDATE SET author = excluded.author, born = excluded.born,
quotes = excluded.quotes"""


def main(run, file):
    with sqlite3.connect(file) as database, Fyke() as fyke:
        database.execute(
            "CREATE TABLE IF NOT EXISTS authors"
            " (url TEXT PRIMARY KEY, author TEXT, born TEXT, quotes INTEGER)"
        )
        database.executemany(UPSERT, fyke.rows(run))


if __name__ == "__main__":
    main(*sys.argv[1:])
