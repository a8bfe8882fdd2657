"""Finds the sentences and the names in a source file.

Sentences come as a copy of the file, equally long, in which everything else is blanked out, so that
a match at an offset is a match in the file. Text that is quoted with backticks is left out: it
names something as it is called elsewhere.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import PurePath

CODE = "\0"  # stands for what is no sentence; no phrase reaches across it
VALUE = "\1"  # stands for a value in the middle of a sentence
Span = tuple[int, int]
Gap = tuple[int, int, str]  # what stands in it
Named = tuple[int, str, bool]  # line, name, whether it is a class

_F_START, _F_MIDDLE, _F_END = (  # from Python 3.12 on
    getattr(tokenize, name, -1) for name in ("FSTRING_START", "FSTRING_MIDDLE", "FSTRING_END")
)
_BACKTICKS = re.compile(r"(`+)(?!`)[^`]+?\1(?!`)")
_SQL = re.compile(r"\s*(SELECT|INSERT|UPDATE|DELETE|CREATE|ALTER|DROP|WITH|PRAGMA)\b")
_TWO_WORDS = re.compile(r"[A-Za-z]{2}.*\s.*[A-Za-z]{2}", re.DOTALL)
_LABEL = re.compile(r"[A-Z][a-z]+")
_KEY = re.compile(r"[a-z][a-z0-9]*(?:[_-][a-z0-9]+)+")
_C_PROSE = re.compile(
    r"""(?P<comment>/\*.*?\*/|//[^\n]*)|(?P<text>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`[^`]*`)""",
    re.DOTALL,
)
_C_NAME = re.compile(r"\b(class|const|let|var|function|func|type)\s+([A-Za-z_]\w*)")
_CSS_PROSE = re.compile(r"(?P<comment>/\*.*?\*/)|(?P<text>(?!))", re.DOTALL)
_HASH_PROSE = re.compile(
    r"""(?P<comment>(?:^|(?<=\s))\#[^\n]*)|(?P<text>"(?:\\.|[^"\\])*"|'[^'\n]*')""",
    re.MULTILINE,
)
_HEREDOC = re.compile(r"<<-?'?(\w+)'?\n(.*?)^\s*\1$", re.DOTALL | re.MULTILINE)
_HTML_CODE = re.compile(
    r"<script\b.*?</script>|<style\b.*?</style>|\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}|<[^>]*>", re.DOTALL
)
_LITERAL = re.compile(r"""("(?:\\.|[^"\\])*"|'[^'\n]*')""")
_HTML_TEXT = re.compile(
    r"""\b(?:title|alt|placeholder|content|aria-label|label)=("[^"]*"|'[^']*')"""
)
_HTML_NAME = re.compile(r"\{%-?\s*(?:set|macro|block|for)\s+([a-z_]\w*)")
_FENCE = re.compile(r"^ *(```+|~~~+).*?^ *\1", re.DOTALL | re.MULTILINE)
_MARKDOWN_CODE = re.compile(r"\]\([^)]*\)|<!--.*?-->|https?://\S+", re.DOTALL)


def sentences(path: PurePath, text: str) -> str:
    """Return ``text`` with all but its sentences blanked out."""
    reader = _READERS.get(_kind(path, text))
    if reader is None:
        return CODE * len(text)
    shown = reader(text)
    return _BACKTICKS.sub(lambda found: _blank(found[0], VALUE), shown)


def names(path: PurePath, text: str) -> Iterator[Named]:
    """Yield what ``text`` gives a name to."""
    kind = _kind(path, text)
    if kind == "python":
        yield from _python_names(text)
    elif kind == "c":
        for found in _C_NAME.finditer(_C_PROSE.sub(lambda each: _blank(each[0], " "), text)):
            yield _line(text, found.start()), found[2], found[1] in ("class", "type")
    elif kind == "html":
        for found in _HTML_NAME.finditer(text):
            yield _line(text, found.start()), found[1], False


def is_read(path: PurePath, text: str) -> bool:
    """Whether the file is of a language that is known here."""
    return _kind(path, text) in _READERS


def _kind(path: PurePath, text: str) -> str:
    suffix = path.suffix
    if not suffix and text.startswith("#!"):
        return "python" if "python" in text.partition("\n")[0] else "shell"
    return _KINDS.get(suffix, "")


def _line(text: str, offset: int) -> int:
    return text.count("\n", 0, offset) + 1


def _blank(text: str, mark: str) -> str:
    return re.sub(r"[^\n]", mark, text)


def _only(text: str, spans: list[Span], gaps: list[Gap]) -> str:
    """Return ``text`` with CODE outside of ``spans``, and in each gap what stands for it."""
    shown = list(_blank(text, CODE))
    for first, end, mark in gaps:
        shown[first:end] = _blank(text[first:end], mark)
    for first, end in spans:
        shown[first:end] = text[first:end]
    return "".join(shown)


def _is_sentence(text: str) -> bool:
    """Whether a literal is for readers: it has spaces between words, or begins like a label."""
    if _SQL.match(text):
        return False
    return bool(_TWO_WORDS.search(text) or _LABEL.fullmatch(text))


def _python(text: str) -> str:
    starts = [0, *(found.end() for found in re.finditer("\n", text))]
    spans: list[Span] = []
    gaps: list[Gap] = []
    group: list[Span] = []  # literals beside each other
    comment = 0  # where the last one ended
    depth = 0  # of f-strings
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        kind = token.type
        if kind == _F_START:
            depth += 1
        elif kind == _F_END:
            depth -= 1
        elif (
            kind == tokenize.COMMENT or kind == _F_MIDDLE or (kind == tokenize.STRING and not depth)
        ):
            at = starts[token.start[0] - 1] + token.start[1]
            end = starts[token.end[0] - 1] + token.end[1]
            if kind != tokenize.COMMENT:
                group.append((at, end))
                continue
            if comment and not text[comment:at].strip():
                gaps.append((comment, at + 1, " "))
            spans.append((at + 1, end))
            comment = end
        elif group and not depth and kind != tokenize.NL:
            _close(text, group, spans, gaps)
    shown = _only(text, spans, gaps)
    return re.sub(r"\\[nrt\"'\\]|\\\n", lambda found: re.sub("[^\n]", " ", found[0]), shown)


def _close(text: str, group: list[Span], spans: list[Span], gaps: list[Gap]) -> None:
    """Add the literals that stand beside each other as one sentence, when they are one."""
    inner = [_without_quotes(text, *span) for span in group]
    if _is_sentence(" ".join(text[first:end] for first, end in inner)):
        for (_, before), (after, _) in pairwise(inner):
            has_value = "{" in text[before:after] or "}" in text[before:after]
            gaps.append((before, after, VALUE if has_value else " "))
        spans.extend(inner)
    group.clear()


def _without_quotes(text: str, first: int, end: int) -> Span:
    found = re.match(r"[A-Za-z]{0,2}(\"\"\"|'''|\"|')", text[first:end])
    if found is None or not text[first:end].endswith(found[1]):
        return first, end
    return first + found.end(), max(first + found.end(), end - len(found[1]))


def _python_names(text: str) -> Iterator[Named]:
    docstrings = set()
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.ClassDef(name=name):
                yield node.lineno, name, True
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield node.lineno, name, False
            case ast.arg(arg=name) | ast.Name(id=name, ctx=ast.Store()):
                yield node.lineno, name, False
            case ast.Attribute(attr=name, ctx=ast.Store()):
                yield node.lineno, name, False
            case ast.keyword(arg=str(name)):
                yield node.value.lineno, name, False
            case ast.Expr(value=ast.Constant() as constant):
                docstrings.add(constant)
            case ast.Constant(value=str(value)) if node not in docstrings and _KEY.fullmatch(value):
                yield node.lineno, value, False


def _by(pattern: re.Pattern[str]) -> Callable[[str], str]:
    """A reader for a language whose comments and literals ``pattern`` finds."""

    def read(text: str) -> str:
        spans: list[Span] = []
        gaps: list[Gap] = []
        last = -1
        for found in pattern.finditer(text):
            if found["comment"] is not None:
                if last >= 0 and not text[last : found.start()].strip():
                    gaps.append((last, found.start(), " "))
                spans.append(found.span())
                last = found.end()
            elif _is_sentence(found[0][1:-1]):
                spans.append((found.start() + 1, found.end() - 1))
        shown = _only(text, spans, gaps)
        return re.sub(r"^([ \0]*)(//+|#+|\*|/\*+)", _leave_spaces, shown, flags=re.MULTILINE)

    return read


def _leave_spaces(found: re.Match[str]) -> str:
    return found[1] + " " * len(found[2])


def _shell(text: str) -> str:
    shown = _by(_HASH_PROSE)(_HEREDOC.sub(lambda found: _blank(found[0], CODE), text))
    for found in _HEREDOC.finditer(text):
        shown = shown[: found.start(2)] + found[2] + shown[found.end(2) :]
    return shown


def _html(text: str) -> str:
    shown = list(text)
    for found in _HTML_CODE.finditer(text):
        code = found[0]
        inline = code.startswith("{{") or re.match(r"</?(a|b|i|em|strong|code|span)\b", code)
        shown[found.start() : found.end()] = _blank(code, VALUE if inline else CODE)
        if code.startswith("{#"):
            shown[found.start() + 2 : found.end() - 2] = code[2:-2]
        elif not code.startswith(("<script", "<style")):
            for literal in (_HTML_TEXT if code.startswith("<") else _LITERAL).finditer(code):
                if _is_sentence(literal[1][1:-1]):
                    at = found.start() + literal.start(1) + 1
                    shown[at : at + len(literal[1]) - 2] = literal[1][1:-1]
    return "".join(shown)


def _markdown(text: str) -> str:
    text = _FENCE.sub(lambda found: _blank(found[0], CODE), text)
    return _MARKDOWN_CODE.sub(lambda found: _blank(found[0], VALUE), text)


_READERS: dict[str, Callable[[str], str]] = {
    "python": _python,
    "c": _by(_C_PROSE),
    "css": _by(_CSS_PROSE),
    "hash": _by(_HASH_PROSE),
    "shell": _shell,
    "html": _html,
    "markdown": _markdown,
}

_KINDS = {
    ".py": "python",
    ".js": "c",
    ".mjs": "c",
    ".ts": "c",
    ".go": "c",
    ".php": "c",
    ".proto": "c",
    ".css": "css",
    ".toml": "hash",
    ".yaml": "hash",
    ".yml": "hash",
    ".sh": "shell",
    ".html": "html",
    ".j2": "html",
    ".md": "markdown",
}
