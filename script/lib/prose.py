"""Finds the sentences and the names in a source file.

Sentences are returned as a copy of the file with everything else blanked out, so that offsets are
the same. Text in backticks is blanked out as well, because it quotes a name.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import PurePath

CODE = "\0"  # replaces text outside of sentences; no phrase matches across it
VALUE = "\1"  # replaces a value in a sentence
Span = tuple[int, int]
Gap = tuple[int, int, str]  # first, end, replacement
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
    r"""(?P<comment>/\*.*?\*/|//[^\n]*)"""
    r"""|(?P<text>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`[^`]*`)""",
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
    """Return ``text`` with everything except its sentences blanked out."""
    reader = _READERS.get(_kind(path, text))
    if reader is None:
        return CODE * len(text)
    result = reader(text)
    return _BACKTICKS.sub(lambda match: _blank(match[0], VALUE), result)


def names(path: PurePath, text: str) -> Iterator[Named]:
    """Yield the names that ``text`` defines."""
    kind = _kind(path, text)
    if kind == "python":
        yield from _python_names(text)
    elif kind == "c":
        for match in _C_NAME.finditer(_C_PROSE.sub(lambda each: _blank(each[0], " "), text)):
            yield _line(text, match.start()), match[2], match[1] in ("class", "type")
    elif kind == "html":
        for match in _HTML_NAME.finditer(text):
            yield _line(text, match.start()), match[1], False


def is_read(path: PurePath, text: str) -> bool:
    """Whether the language of the file is supported."""
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
    """Return ``text`` with CODE outside of ``spans``, and with the replacement of each gap."""
    result = list(_blank(text, CODE))
    for first, end, mark in gaps:
        result[first:end] = _blank(text[first:end], mark)
    for first, end in spans:
        result[first:end] = text[first:end]
    return "".join(result)


def _is_sentence(text: str) -> bool:
    """Whether a literal is a text: it has spaces between words, or looks like a label."""
    if _SQL.match(text):
        return False
    return bool(_TWO_WORDS.search(text) or _LABEL.fullmatch(text))


def _python(text: str) -> str:
    starts = [0, *(match.end() for match in re.finditer("\n", text))]
    spans: list[Span] = []
    gaps: list[Gap] = []
    group: list[Span] = []  # adjacent literals
    comment = 0  # the end of the last one
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
    result = _only(text, spans, gaps)
    return re.sub(r"\\[nrt\"'\\]|\\\n", lambda match: re.sub("[^\n]", " ", match[0]), result)


def _close(text: str, group: list[Span], spans: list[Span], gaps: list[Gap]) -> None:
    """Add adjacent literals as one sentence, if they are one."""
    inner = [_without_quotes(text, *span) for span in group]
    if _is_sentence(" ".join(text[first:end] for first, end in inner)):
        for (_, before), (after, _) in pairwise(inner):
            has_value = "{" in text[before:after] or "}" in text[before:after]
            gaps.append((before, after, VALUE if has_value else " "))
        spans.extend(inner)
    group.clear()


def _without_quotes(text: str, first: int, end: int) -> Span:
    match = re.match(r"[A-Za-z]{0,2}(\"\"\"|'''|\"|')", text[first:end])
    if match is None or not text[first:end].endswith(match[1]):
        return first, end
    return first + match.end(), max(first + match.end(), end - len(match[1]))


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
    """Return a reader for a language whose comments and literals ``pattern`` matches."""

    def read(text: str) -> str:
        spans: list[Span] = []
        gaps: list[Gap] = []
        last = -1
        for match in pattern.finditer(text):
            if match["comment"] is not None:
                if last >= 0 and not text[last : match.start()].strip():
                    gaps.append((last, match.start(), " "))
                spans.append(match.span())
                last = match.end()
            elif _is_sentence(match[0][1:-1]):
                spans.append((match.start() + 1, match.end() - 1))
        result = _only(text, spans, gaps)
        return re.sub(r"^([ \0]*)(//+|#+|\*|/\*+)", _leave_spaces, result, flags=re.MULTILINE)

    return read


def _leave_spaces(match: re.Match[str]) -> str:
    return match[1] + " " * len(match[2])


def _shell(text: str) -> str:
    result = _by(_HASH_PROSE)(_HEREDOC.sub(lambda match: _blank(match[0], CODE), text))
    for match in _HEREDOC.finditer(text):
        result = result[: match.start(2)] + match[2] + result[match.end(2) :]
    return result


def _html(text: str) -> str:
    result = list(text)
    for match in _HTML_CODE.finditer(text):
        code = match[0]
        inline = code.startswith("{{") or re.match(r"</?(a|b|i|em|strong|code|span)\b", code)
        result[match.start() : match.end()] = _blank(code, VALUE if inline else CODE)
        if code.startswith("{#"):
            result[match.start() + 2 : match.end() - 2] = code[2:-2]
        elif not code.startswith(("<script", "<style")):
            for literal in (_HTML_TEXT if code.startswith("<") else _LITERAL).finditer(code):
                if _is_sentence(literal[1][1:-1]):
                    at = match.start() + literal.start(1) + 1
                    result[at : at + len(literal[1]) - 2] = literal[1][1:-1]
    return "".join(result)


def _markdown(text: str) -> str:
    text = _FENCE.sub(lambda match: _blank(match[0], CODE), text)
    return _MARKDOWN_CODE.sub(lambda match: _blank(match[0], VALUE), text)


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
