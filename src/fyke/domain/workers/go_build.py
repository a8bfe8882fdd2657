"""How a Go Worker is built, the same by hand, by the command line and on a runner."""

from __future__ import annotations

from fyke.domain.workers.elf import ARCHITECTURE

PROGRAM = "main"
SOURCE = "main.go"
MODULE = "go.mod"

# The same source gives the same program: no path, no time and no commit of the builder in it.
ARGUMENTS = ("-trimpath", "-buildvcs=false", "-ldflags=-s -w")
# CGO_ENABLED=0 makes it static, and keeps C compilers with their flags out of it;
# GOTOOLCHAIN=local builds with the Go that is here or not at all.
VARIABLES = {"CGO_ENABLED": "0", "GOOS": "linux", "GOTOOLCHAIN": "local", "GOWORK": "off"}

BY_HAND = f"CGO_ENABLED=0 GOOS=linux GOARCH={ARCHITECTURE} go build -trimpath -o {PROGRAM} ."


def command(target: str, architecture: str = ARCHITECTURE) -> tuple[list[str], dict[str, str]]:
    """(the command that builds the package in its folder, what it needs in the environment)."""
    return ["go", "build", *ARGUMENTS, "-o", target, "."], VARIABLES | {"GOARCH": architecture}
