"""From bytes to text, though sites often declare the wrong encoding."""

from __future__ import annotations

import codecs
import re

SAMPLE = 64 * 1024
_ENOUGH = 10  # bytes beyond ASCII

_META = re.compile(rb"<meta[^>]+charset\s*=\s*[\"']?\s*([A-Za-z0-9_:.-]+)", re.IGNORECASE)
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# what browsers take these names to mean
_MEANT = {
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

    A byte order mark wins. Text that is valid UTF-8 is UTF-8, whatever is declared: no text in
    another encoding looks like it by chance. Then what the header and the page say, if it fits;
    then what the bytes look like.
    """
    for mark, name in _BOMS:
        if body.startswith(mark):
            return body[len(mark) :].decode(name, "replace")
    meta = _META.search(body[:4096])
    names = [name for name in (_known(declared), _known(meta[1].decode() if meta else "")) if name]
    for name in ("utf-8", *names):
        if name == "utf-8" and any(_wide(given) for given in names):
            continue
        try:
            return body.decode(name)
        except UnicodeDecodeError:
            continue
    return body.decode(_guess(body), "replace")


def _wide(name: str) -> bool:
    """Encodings in seven bits or two bytes, whose text is valid UTF-8 by chance."""
    return name.startswith(("utf-16", "utf-32", "iso2022", "hz"))


def _known(name: str) -> str:
    try:
        found = codecs.lookup(name.strip()).name if name.strip() else ""
    except (LookupError, ValueError):
        return ""
    return _MEANT.get(found, found)


def _guess(body: bytes) -> str:
    """What the bytes look like; too few of them look like anything, and mostly are Western."""
    sample = body[:SAMPLE]
    if sum(1 for byte in sample if byte >= 0x80) < _ENOUGH:
        return "cp1252"
    from charset_normalizer import from_bytes

    best = from_bytes(sample).best()
    return best.encoding if best else "cp1252"
