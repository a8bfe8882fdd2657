"""Decodes pages, even when a site declares the wrong encoding."""

from __future__ import annotations

import codecs
import re

MAX_TEXT = 500_000  # characters of text, and of Markdown: a row may have 8 MiB
SAMPLE = 64 * 1024
_MIN_BYTES = 10  # bytes beyond ASCII

_META = re.compile(rb"<meta[^>]+charset\s*=\s*[\"']?\s*([A-Za-z0-9_:.-]+)", re.IGNORECASE)
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# the encodings that browsers use for these names
_BROWSER_NAMES = {
    "iso8859-1": "cp1252",
    "ascii": "cp1252",
    "iso8859-9": "cp1254",
    "iso8859-11": "cp874",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "euc_kr": "cp949",
    "shift_jis": "cp932",
}


def decode(body: bytes, declared: str = "") -> str:
    """Return the text of a page. ``declared`` is the charset of the Content-Type header.

    A byte order mark takes precedence. Text that is valid UTF-8 is UTF-8, whatever is declared,
    because text in another encoding is not valid by chance. Next are the encodings of the header
    and of the page, if the bytes are valid in them; the last is a guess.
    """
    for mark, name in _BOMS:
        if body.startswith(mark):
            return body[len(mark) :].decode(name, "replace")
    meta = _META.search(body[:4096])
    declarations = (declared, meta[1].decode() if meta else "")
    names = [name for name in map(_codec_name, declarations) if name]
    for name in ("utf-8", *names):
        if name == "utf-8" and any(_is_multibyte(candidate) for candidate in names):
            continue
        try:
            return body.decode(name)
        except UnicodeDecodeError:
            continue
    return body.decode(_guess(body), "replace")


def plain_text(body: bytes, declared: str = "") -> str:
    """The text of a file that is no page, up to ``MAX_TEXT``."""
    return decode(body, declared)[:MAX_TEXT].replace("\0", "\N{REPLACEMENT CHARACTER}")


def _is_multibyte(name: str) -> bool:
    """Whether text in this encoding may be valid UTF-8 by chance: seven bits, or two bytes."""
    return name.startswith(("utf-16", "utf-32", "iso2022", "hz"))


def _codec_name(name: str) -> str:
    try:
        found = codecs.lookup(name.strip()).name if name.strip() else ""
    except (LookupError, ValueError):
        return ""
    return _BROWSER_NAMES.get(found, found)


def _guess(body: bytes) -> str:
    """Guess the encoding; with few bytes beyond ASCII it is the Western one."""
    sample = body[:SAMPLE]
    if sum(1 for byte in sample if byte >= 0x80) < _MIN_BYTES:
        return "cp1252"
    from charset_normalizer import from_bytes

    best = from_bytes(sample).best()
    return best.encoding if best else "cp1252"
