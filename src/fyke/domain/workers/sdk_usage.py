"""Checks whether a project uses the SDK, which it must import to push a row.

The import is searched for as text. Because a Worker may import it in another way, a missing import
is only a warning.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from fyke.domain.workers.schema_report import WARNING
from fyke.model.worker import Finding, Language

MAX_INSPECTED_BYTES = 64 * 1024  # bytes of a file
MAX_FILES = 50
SUFFIXES = {
    Language.PYTHON: (".py",),
    Language.NODE: (".js", ".cjs", ".mjs"),
    Language.GO: (".go",),
}

_USES = {
    Language.PYTHON: re.compile(r"^[ \t]*(?:from|import)[ \t]+sdk\b", re.MULTILINE),
    Language.NODE: re.compile(
        r"""(?:require\(|from|import\(?)\s*['"](?:\.{1,2}/)+sdk(?:\.js)?['"]"""
    ),
    Language.GO: re.compile(r"""["`][\w./-]+/GoSdk["`]"""),
}
_REMEDY = {
    Language.PYTHON: "begin main.py with: from sdk import CoreSDK",
    Language.NODE: "begin main.js with: const coresdk = require('./sdk'); "
    "in an ES module: import coresdk from './sdk.js'",
    Language.GO: 'import it in main.go: coresdk "NAME OF YOUR MODULE/GoSdk"',
}


def sdk_findings(language: Language, entry: str, texts: Sequence[str]) -> list[Finding]:
    """Return a finding if none of ``texts``, the inspected sources, imports the SDK.

    There is none for a compiled program without sources.
    """
    if not texts or any(_USES[language].search(text) for text in texts):
        return []
    message = f"{entry} does not import the SDK, so the Worker can push no rows"
    return [Finding(WARNING, "sdk_not_imported", entry, 1, message, _REMEDY[language])]
