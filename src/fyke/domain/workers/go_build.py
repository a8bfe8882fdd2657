"""The command that builds a Go Worker, for the CLI, for runners and for users to run by hand."""

from __future__ import annotations

import re

from fyke.domain.workers.elf import ARCHITECTURE

PROGRAM = "main"
SOURCE = "main.go"
MODULE = "go.mod"

# Reproducible: the program contains no path, time or commit of the machine that built it.
ARGUMENTS = ("-trimpath", "-buildvcs=false", "-ldflags=-s -w")
# CGO_ENABLED=0 makes it static and runs no C compiler, whose flags a package could set;
# GOTOOLCHAIN=local uses the installed Go and never downloads another version.
VARIABLES = {"CGO_ENABLED": "0", "GOOS": "linux", "GOTOOLCHAIN": "local", "GOWORK": "off"}

BY_HAND = f"CGO_ENABLED=0 GOOS=linux GOARCH={ARCHITECTURE} go build -trimpath -o {PROGRAM} ."


_GO_LINE = re.compile(r"^[ \t]*go[ \t]+(\d{1,4}(?:\.\d{1,6}){1,2})[ \t]*(?://|\r?$)", re.MULTILINE)


def needed(module: str) -> str:
    """The Go version that the text of a go.mod requires, such as ``Go 1.24.6 or newer``."""
    match = _GO_LINE.search(module)
    return f"Go {match[1]} or newer" if match else "Go"


def command(target: str, architecture: str = ARCHITECTURE) -> tuple[list[str], dict[str, str]]:
    """Return the command that builds the package in its folder, and its environment variables."""
    return ["go", "build", *ARGUMENTS, "-o", target, "."], VARIABLES | {"GOARCH": architecture}
