"""English texts of the domain that the console translates: default categories and templates.

They are repeated here because ``script/translate`` collects texts of the console only; a test
compares them with the domain.
"""

from __future__ import annotations


def _(message: str) -> str:
    """Mark for translation; the page translates it."""
    return message


CATEGORIES = (
    _("Websites"),
    _("Search engines"),
    _("Shops and prices"),
    _("Social networks"),
    _("Places and maps"),
    _("News"),
    _("Jobs"),
    _("Property"),
    _("Travel"),
    _("Companies and contacts"),
    _("Video and music"),
    _("Science and data"),
    _("Tools"),
)

TEMPLATES = {
    "page-titles": (
        _("Page titles"),
        _("The smallest useful Worker: fetches pages and stores a row for each."),
    ),
    "page-titles-node": (
        _("Page titles in Node.js"),
        _("The same Worker in JavaScript; nothing is installed for it."),
    ),
    "page-titles-go": (
        _("Page titles in Go"),
        _("The same Worker in Go, as source; building it needs only Go."),
    ),
    "json-feed": (_("JSON feed"), _("Reads a JSON API page by page and stores its items.")),
    "website-content-crawler": (
        _("Website crawler"),
        _("The complete crawler that ships with Fyke, ready to adapt."),
    ),
    "page-screenshot": (
        _("Screenshots of pages"),
        _("The Worker with a browser that ships with Fyke; it needs no library."),
    ),
    "httpx": (
        _("Quotes with httpx"),
        _("Fetches pages with httpx and reads them with selectolax."),
    ),
    "requests": (
        _("Quotes with Requests"),
        _("Fetches pages with Requests and reads them with Beautiful Soup."),
    ),
    "scrapy": (
        _("Quotes with Scrapy"),
        _("A Scrapy spider that follows links and stores its items."),
    ),
    "crawlee": (
        _("Quotes with Crawlee"),
        _("A crawler with Crawlee: it follows links and repeats requests that fail."),
    ),
    "playwright": (
        _("Quotes with Playwright"),
        _("Opens pages that need JavaScript in a browser, with Playwright."),
    ),
    "cheerio": (_("Quotes with Cheerio"), _("Fetches pages and reads them with Cheerio.")),
    "crawlee-js": (
        _("Quotes with Crawlee in Node.js"),
        _("The same crawler in JavaScript; it reads pages with Cheerio."),
    ),
    "puppeteer": (
        _("Quotes with Puppeteer"),
        _("Opens pages that need JavaScript in a browser, with Puppeteer."),
    ),
    "go-colly": (
        _("Quotes with Colly"),
        _("A collector with Colly that follows links; building it downloads modules."),
    ),
}
