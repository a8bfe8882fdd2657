"""The output of a tool, limited in size and without credentials in URLs."""

from __future__ import annotations

import codecs
import re

MAX_TEXT = 64 * 1024  # characters that are kept of the beginning, and of the end
MAX_STDOUT = 2**20

_CREDENTIALS = re.compile(r"://[^/\s@]+@")


class BoundedText:
    """The beginning and the end of a text that comes in parts, without credentials in URLs."""

    def __init__(self) -> None:
        self._text = ""

    def add(self, text: str) -> None:
        joined = self._text + _CREDENTIALS.sub("://***@", text.replace("\0", ""))
        if len(joined) > 2 * MAX_TEXT:
            joined = f"{joined[:MAX_TEXT]}\n[...]\n{joined[-MAX_TEXT + 10 :]}"
        self._text = joined

    def text(self) -> str:
        return self._text


class ToolOutput:
    """Both streams of a tool as one text, and the first MiB of standard output as bytes."""

    def __init__(self) -> None:
        self.stdout = b""
        self._text = BoundedText()
        self._decoders = {
            stream: codecs.getincrementaldecoder("utf-8")("replace")
            for stream in ("stdout", "stderr")
        }

    def add(self, stream: str, data: bytes) -> None:
        if stream == "stdout" and len(self.stdout) < MAX_STDOUT:
            self.stdout = (self.stdout + data)[:MAX_STDOUT]
        self._text.add(self._decoders[stream].decode(data))

    def text(self) -> str:
        return self._text.text()
