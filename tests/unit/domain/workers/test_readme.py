"""Title and description from a README."""

from __future__ import annotations

import pytest

from fyke.domain.workers.readme import first_heading, first_paragraph
from support.hangs import no_hang

CENTRED = """<p align="center"><img src="logo.png"></p>
<h1 align="center">
  <img src="icon.svg" width="40">
  Web Scraper &amp; Crawler
</h1>

[🇺🇸 English](README.md) | [中文](README.zh.md)

## 📖 简介 | Introduction

It reads pages.
"""


@pytest.mark.parametrize(
    ("readme", "heading", "paragraph"),
    [
        ("", "", ""),
        ("Title\n=====\n\nText here.", "Title", "Text here."),
        ("![x](y)\n\n## Two ##\ntext\nmore\n\nlast", "Two", "text more"),
        ("plain", "", "plain"),
        (
            "#nothing",
            "",
            "",
        ),
    ],
)
def test_heading_and_paragraph_are_found(readme: str, heading: str, paragraph: str) -> None:
    assert first_heading(readme) == heading
    assert first_paragraph(readme) == paragraph


@pytest.mark.parametrize(
    ("readme", "heading"),
    [
        (CENTRED, "Web Scraper & Crawler"),
        ('<h1 align="center">Web Scraper Worker</h1>\n\n## 🇺🇸 English', "Web Scraper Worker"),
        ("<H2>Shouted</H2>", "Shouted"),
        ("<div><h1>In <b>a</b> box</h1></div>", "In a box"),
        ('<h1><img src="logo.png" alt="Logo"></h1>\n\n# Prices', "Prices"),
        ("<h1>never closed\n\n# Prices", "Prices"),
        ("<header>Menu</header>\n# Prices", "Prices"),
        ("# [![build](https://b.example/x.svg)](https://b.example)\n# Prices", "Prices"),
        ("# [Prices](https://shop.example) of shops", "Prices of shops"),
        ("```sh\n# install it\n```\n# Prices", "Prices"),
        ("    # code\n# Prices", "Prices"),
        ("# " + "x" * 500, "x" * 200),
        ("<!--\n# Old\n-->\n# Prices", "Prices"),
        ("<!-- <h1>Old</h1> -->\n# Prices", "Prices"),
        ("````md\n```\n# install it\n```\n# use it\n````\n# Prices", "Prices"),
        ("<pre>\n# code\n\n# more\n</pre>\n\n# Prices", "Prices"),
        ("---\ntitle: Page\nlayout: wide\n---\n\n# Prices", "Prices"),
        ("---\nNot a title: text\n\n---\n# Prices", "Prices"),
        ("Prices\n---\n\nText", "Prices"),
        ("# **Prices** of _all_ `shops`", "Prices of all shops"),
        ("<h1>\n\nPrices\n\n</h1>", "Prices"),
        ("# Prices &lt; 5 <br>and more", "Prices < 5 and more"),
    ],
)
def test_titles_are_found_in_headings_of_html_and_markdown(readme: str, heading: str) -> None:
    assert first_heading(readme) == heading


@pytest.mark.parametrize(
    ("readme", "paragraph"),
    [
        ("# A\n\n```sh\npip install it\n```\n\nIt reads pages.", "It reads pages."),
        ("# A\n\n    pip install it\n\nIt reads pages.", "It reads pages."),
        ("<!--\nTo do\n\n-->\n\nIt reads **all** pages.", "It reads all pages."),
        ("# A\n\n[English](a.md) | [中文](b.md)\n\nIt reads pages.", "It reads pages."),
        ("# A\n\n| a |\n| - |\n| b |\n\n- c\n\nIt reads pages.", "It reads pages."),
        ('# A\n\n<p align="center">Pages &amp; feeds</p>', "Pages & feeds"),
        ("---\ntitle: Page\n---\nIt reads [pages](https://a.example).", "It reads pages."),
        ("# A\n\n" + "x" * 600, "x" * 500),
    ],
)
def test_the_description_is_a_paragraph_of_text(readme: str, paragraph: str) -> None:
    assert first_paragraph(readme) == paragraph


@pytest.mark.slow
@pytest.mark.parametrize(
    "part",
    ["<h1 ", "<h1>", "# ", "#", "[", "![", "![a](", "&amp;", "<", "```\n", "=\n", "# \n", " "],
)
def test_a_readme_of_the_largest_size_takes_no_time(part: str) -> None:
    with no_hang():
        for readme in (part * (2**20 // len(part)), "# " + part * (2**20 // len(part))):
            first_heading(readme)
            first_paragraph(readme)
