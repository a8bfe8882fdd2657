"""What a log line says and how it wants to look, as a structure without power.

Terminals obey escape sequences; a page must not. Colours and weights become names out of a fixed
list, every other sequence and control character is dropped, and addresses of the web become links
to exactly the text that is shown. The work is in proportion to the length of the text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from fyke.domain.logs.text import clean

MOST_LINK = 2_000  # characters; a longer address stays text

_NAMES = ("black", "red", "green", "yellow", "blue", "magenta", "cyan", "white")
_LEVELS = (0, 95, 135, 175, 215, 255)  # of the colour cube of 256-colour terminals
_RGB = (
    (0, 0, 0), (205, 0, 0), (0, 205, 0), (205, 205, 0),
    (0, 0, 238), (205, 0, 205), (0, 205, 205), (229, 229, 229),
    (127, 127, 127), (255, 0, 0), (0, 255, 0), (255, 255, 0),
    (92, 92, 255), (255, 0, 255), (0, 255, 255), (255, 255, 255),
)  # fmt: skip

# one sequence: of the CSI kind with its parameters and final character, of the OSC kind and its
# relatives up to their end, or a short one; what has no end is taken to the end of the text
_SEQUENCE = re.compile(
    r"(?:\x1b\[|\x9b)(?P<params>[0-?]*+)[ -/]*+(?P<final>[@-~]?)"
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c]*+(?:\x07|\x1b\\|\x9c|$|(?=\x1b))"
    r"|\x1b[ -/]*+[0-~]?"
)
_LINK = re.compile(r"\bhttps?://[^\s<>\"'`\\^{|}]+", re.IGNORECASE)
_TAIL = ".,;:!?)]}>'\""
_PAIRS = {")": "(", "]": "[", "}": "{"}
_USER = re.compile(r"https?://[^/?#]*@", re.IGNORECASE)  # names another host than it seems to


@dataclass(frozen=True, slots=True)
class StyledSpan:
    """A stretch of text of one look. ``classes`` are names out of a fixed list. ``href`` is empty,
    or the same as ``text``.
    """

    text: str
    classes: tuple[str, ...] = ()
    href: str = ""


@dataclass(frozen=True, slots=True)
class _AnsiState:
    colour: str = ""
    ground: str = ""
    bold: bool = False
    faint: bool = False
    italic: bool = False
    underline: bool = False

    @property
    def classes(self) -> tuple[str, ...]:
        found = [self.colour and f"ansi-{self.colour}", self.ground and f"ansi-on-{self.ground}"]
        for name in ("bold", "faint", "italic", "underline"):
            found.append(f"ansi-{name}" if getattr(self, name) else "")
        return tuple(name for name in found if name)


_PLAIN = _AnsiState()


def spans(text: str) -> list[StyledSpan]:
    """The text in stretches, without control characters but tab and newline."""
    found: list[StyledSpan] = []
    look, begin = _PLAIN, 0
    for match in _SEQUENCE.finditer(text):
        _add(found, text[begin : match.start()], look)
        begin = match.end()
        if match["final"] == "m":
            look = _after(look, match["params"])
    _add(found, text[begin:], look)
    return found


def plain(text: str) -> str:
    """The text alone."""
    return clean(_SEQUENCE.sub("", text))


def linked(text: str) -> list[StyledSpan]:
    """Text without sequences, with the addresses in it as links."""
    found: list[StyledSpan] = []
    begin = 0
    for match in _LINK.finditer(text):
        if len(match[0]) > MOST_LINK or _USER.match(match[0]):
            continue
        address = _trimmed(match[0])
        if address.endswith("//"):
            continue
        if match.start() > begin:
            found.append(StyledSpan(text[begin : match.start()]))
        found.append(StyledSpan(address, href=address))
        begin = match.start() + len(address)
    if begin < len(text):
        found.append(StyledSpan(text[begin:]))
    return found


def _add(found: list[StyledSpan], text: str, look: _AnsiState) -> None:
    text = clean(text)
    if not text:
        return
    classes = look.classes
    found += [replace(span, classes=classes) if classes else span for span in linked(text)]


def _trimmed(address: str) -> str:
    """Without what belongs to the sentence around it."""
    while address and address[-1] in _TAIL:
        opening = _PAIRS.get(address[-1])
        if opening and address.count(opening) >= address.count(address[-1]):
            break
        address = address[:-1]
    return address


def _after(look: _AnsiState, params: str) -> _AnsiState:
    """The look that a sequence of the kind "select graphic rendition" leads to."""
    codes = [int(part) if part.isdecimal() and len(part) < 4 else 0 for part in _parts(params)]
    while codes:
        code = codes.pop(0)
        if code in (38, 48):
            colour, codes = _extended(codes)
            look = replace(look, colour=colour) if code == 38 else replace(look, ground=colour)
        else:
            look = _simple(look, code)
    return look


def _parts(params: str) -> list[str]:
    return params.replace(":", ";").split(";")[:64]


def _simple(look: _AnsiState, code: int) -> _AnsiState:
    if code == 0:
        return _PLAIN
    if code in _SWITCHES:
        return replace(look, **_SWITCHES[code])  # type: ignore[arg-type]  # one value type each
    for first, prefix in ((30, ""), (90, "bright-")):
        if first <= code < first + 8:
            return replace(look, colour=prefix + _NAMES[code - first])
        if first + 10 <= code < first + 18:
            return replace(look, ground=prefix + _NAMES[code - first - 10])
    return look


_SWITCHES: dict[int, dict[str, str | bool]] = {
    1: {"bold": True},
    2: {"faint": True},
    3: {"italic": True},
    4: {"underline": True},
    22: {"bold": False, "faint": False},
    23: {"italic": False},
    24: {"underline": False},
    39: {"colour": ""},
    49: {"ground": ""},
}


def _extended(codes: list[int]) -> tuple[str, list[int]]:
    """The colour that the codes begin with, and the codes behind it."""
    if codes[:1] == [5] and len(codes) > 1:
        return _of_256(codes[1]), codes[2:]
    if codes[:1] == [2] and len(codes) > 3:
        return _nearest((codes[1], codes[2], codes[3])), codes[4:]
    return "", []


def _of_256(number: int) -> str:
    if number < 16:
        return _name(number)
    if number < 232:
        cube = number - 16
        return _nearest(tuple(_LEVELS[cube // step % 6] for step in (36, 6, 1)))
    grey = 8 + 10 * (min(number, 255) - 232)
    return _nearest((grey, grey, grey))


def _nearest(colour: tuple[int, ...]) -> str:
    def distance(index: int) -> int:
        return sum((a - b) ** 2 for a, b in zip(colour, _RGB[index], strict=True))

    return _name(min(range(len(_RGB)), key=distance))


def _name(index: int) -> str:
    return _NAMES[index] if index < 8 else f"bright-{_NAMES[index - 8]}"


CLASSES = frozenset(
    [
        f"ansi-{way}{bright}{name}"
        for way in ("", "on-")
        for bright in ("", "bright-")
        for name in _NAMES
    ]
    + [f"ansi-{name}" for name in ("bold", "faint", "italic", "underline")]
)
