"""Whether a project speaks to the platform at all: it must import the SDK to push a row.

Looked for as text. That a Worker imports it in another way is rare, so what is not found is a
warning and never an error.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from fyke.domain.workers.model import Finding, Language
from fyke.domain.workers.schema_report import WARNING

MAX_LOOKED_AT = 64 * 1024  # bytes of a file
MAX_FILES = 50
ENTRY = {Language.PYTHON: "main.py", Language.NODE: "main.js"}

_USES = {
    Language.PYTHON: re.compile(r"^[ \t]*(?:from|import)[ \t]+sdk\b", re.MULTILINE),
    Language.NODE: re.compile(r"""(?:require\(|from|import)\s*['"]\./sdk(?:\.js)?['"]"""),
}
_REMEDY = {
    Language.PYTHON: "begin main.py with: from sdk import CoreSDK",
    Language.NODE: "begin main.js with: const coresdk = require('./sdk')",
}


def sdk_findings(language: Language, texts: Iterable[str]) -> list[Finding]:
    """``texts`` are the sources of the project, as far as they are looked at."""
    pattern = _USES.get(language)
    if pattern is None or any(pattern.search(text) for text in texts):
        return []
    name = ENTRY[language]
    message = f"{name} does not import the SDK, so the Worker can push no rows"
    return [Finding(WARNING, "sdk_not_imported", name, 1, message, _REMEDY[language])]
