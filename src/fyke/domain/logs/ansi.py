"""Parses ANSI-styled log text into inert spans.

A page must not obey escape sequences as a terminal does. Colours and weights become names from a
fixed list, all other sequences and control characters are dropped, and web addresses become links
to exactly the text that is shown. Parsing takes time proportional to the length of the text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from fyke.domain.logs.text import clean

MAX_LINK_LENGTH = 2_000  # characters; a longer address stays text
_MAX_CODES = 64  # of one sequence

_NAMES = ("black", "red", "green", "yellow", "blue", "magenta", "cyan", "white")
_LEVELS = (0, 95, 135, 175, 215, 255)  # of the colour cube of 256-colour terminals
_RGB = (
    (0, 0, 0), (205, 0, 0), (0, 205, 0), (205, 205, 0),
    (0, 0, 238), (205, 0, 205), (0, 205, 205), (229, 229, 229),
    (127, 127, 127), (255, 0, 0), (0, 255, 0), (255, 255, 0),
    (92, 92, 255), (255, 0, 255), (0, 255, 255), (255, 255, 255),
)  # fmt: skip

# one sequence: CSI with its parameters and final character, OSC and similar strings up to their
# terminator, or a two-character escape; an unterminated string extends to the end of the text
_SEQUENCE = re.compile(
    r"(?:\x1b\[|\x9b)(?P<params>[0-?]*+)[ -/]*+(?P<final>[@-~]?)"
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c]*+(?:\x07|\x1b\\|\x9c|$|(?=\x1b))"
    r"|\x1b[ -/]*+[0-~]?"
)
_LINK = re.compile(r"\bhttps?://[^\s<>\"'`\\^{|}]+", re.IGNORECASE)
_TAIL = ".,;:!?)]}>'\""
_PAIRS = {")": "(", "]": "[", "}": "{"}
_USER = re.compile(r"https?://[^/?#]*@", re.IGNORECASE)  # userinfo can disguise the real host


@dataclass(frozen=True, slots=True)
class StyledSpan:
    """Text of one style. ``classes`` are names from a fixed list. ``href`` is empty, or the same as
    ``text``.
    """

    text: str
    classes: tuple[str, ...] = ()
    href: str = ""


@dataclass(frozen=True, slots=True)
class _AnsiState:
    colour: str = ""
    background: str = ""
    bold: bool = False
    faint: bool = False
    italic: bool = False
    underline: bool = False

    @property
    def classes(self) -> tuple[str, ...]:
        names = [
            self.colour and f"ansi-{self.colour}",
            self.background and f"ansi-on-{self.background}",
        ]
        for name in ("bold", "faint", "italic", "underline"):
            names.append(f"ansi-{name}" if getattr(self, name) else "")
        return tuple(name for name in names if name)


_PLAIN = _AnsiState()


def spans(text: str) -> list[StyledSpan]:
    """Split the text by style; of the control characters, only tab and newline remain."""
    result: list[StyledSpan] = []
    style, start = _PLAIN, 0
    for match in _SEQUENCE.finditer(text):
        _add(result, text[start : match.start()], style)
        start = match.end()
        if match["final"] == "m":
            style = _apply_sgr(style, match["params"])
    _add(result, text[start:], style)
    return result


def plain(text: str) -> str:
    """Return the text without styles and control characters."""
    return clean(_SEQUENCE.sub("", text))


def link_spans(text: str) -> list[StyledSpan]:
    """Split text without escape sequences into plain text and links."""
    result: list[StyledSpan] = []
    start = 0
    for match in _LINK.finditer(text):
        if len(match[0]) > MAX_LINK_LENGTH or _USER.match(match[0]):
            continue
        address = _trim(match[0])
        if address.endswith("//"):
            continue
        if match.start() > start:
            result.append(StyledSpan(text[start : match.start()]))
        result.append(StyledSpan(address, href=address))
        start = match.start() + len(address)
    if start < len(text):
        result.append(StyledSpan(text[start:]))
    return result


def _add(result: list[StyledSpan], text: str, style: _AnsiState) -> None:
    text = clean(text)
    if not text:
        return
    classes = style.classes
    result += [replace(span, classes=classes) if classes else span for span in link_spans(text)]


def _trim(address: str) -> str:
    """Remove trailing punctuation that belongs to the surrounding sentence."""
    while address and address[-1] in _TAIL:
        opening = _PAIRS.get(address[-1])
        if opening and address.count(opening) >= address.count(address[-1]):
            break
        address = address[:-1]
    return address


def _apply_sgr(style: _AnsiState, params: str) -> _AnsiState:
    """Apply a "select graphic rendition" sequence to ``style``."""
    parts = params.replace(":", ";").split(";")[:_MAX_CODES]
    codes = [int(part) if part.isdecimal() and len(part) < 4 else 0 for part in parts]
    while codes:
        code = codes.pop(0)
        if code in (38, 48):
            colour, codes = _extended_colour(codes)
            style = (
                replace(style, colour=colour) if code == 38 else replace(style, background=colour)
            )
        else:
            style = _apply_code(style, code)
    return style


def _apply_code(style: _AnsiState, code: int) -> _AnsiState:
    if code == 0:
        return _PLAIN
    if code in _SWITCHES:
        return replace(style, **_SWITCHES[code])  # type: ignore[arg-type]  # one value type each
    for first, prefix in ((30, ""), (90, "bright-")):
        if first <= code < first + 8:
            return replace(style, colour=prefix + _NAMES[code - first])
        if first + 10 <= code < first + 18:
            return replace(style, background=prefix + _NAMES[code - first - 10])
    return style


_SWITCHES: dict[int, dict[str, str | bool]] = {
    1: {"bold": True},
    2: {"faint": True},
    3: {"italic": True},
    4: {"underline": True},
    22: {"bold": False, "faint": False},
    23: {"italic": False},
    24: {"underline": False},
    39: {"colour": ""},
    49: {"background": ""},
}


def _extended_colour(codes: list[int]) -> tuple[str, list[int]]:
    """Return the colour at the start of ``codes``, and the remaining codes."""
    if codes[:1] == [5] and len(codes) > 1:
        return _palette_colour(codes[1]), codes[2:]
    if codes[:1] == [2] and len(codes) > 3:
        return _nearest_colour((codes[1], codes[2], codes[3])), codes[4:]
    return "", []


def _palette_colour(number: int) -> str:
    if number < 16:
        return _colour_name(number)
    if number < 232:
        cube = number - 16
        return _nearest_colour(tuple(_LEVELS[cube // step % 6] for step in (36, 6, 1)))
    grey = 8 + 10 * (min(number, 255) - 232)
    return _nearest_colour((grey, grey, grey))


def _nearest_colour(colour: tuple[int, ...]) -> str:
    def distance(index: int) -> int:
        return sum((a - b) ** 2 for a, b in zip(colour, _RGB[index], strict=True))

    return _colour_name(min(range(len(_RGB)), key=distance))


def _colour_name(index: int) -> str:
    return _NAMES[index] if index < 8 else f"bright-{_NAMES[index - 8]}"


CLASSES = frozenset(
    [
        f"ansi-{layer}{bright}{name}"
        for layer in ("", "on-")
        for bright in ("", "bright-")
        for name in _NAMES
    ]
    + [f"ansi-{name}" for name in ("bold", "faint", "italic", "underline")]
)
