"""The command of a Python Worker, and the variables of every Worker.

The runner sends them with the job; the launcher starts an interpreter with them. So this module
imports only the standard library.
"""

from __future__ import annotations

INTERPRETER = "/usr/bin/python3"
SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"
BASE_ENVIRONMENT = {
    "HOME": "/work",
    "LANG": "C.UTF-8",
    "TMPDIR": "/tmp",  # noqa: S108 - inside the sandbox
    "PYTHONUNBUFFERED": "1",
}


def python_command(*, has_environment: bool) -> list[str]:
    """The command of a Python Worker, in ``/work``."""
    return ["/env/bin/python" if has_environment else INTERPRETER, "main.py"]


def base_environment(*, has_scripts: bool, programs: str = "") -> dict[str, str]:
    """The variables of every Worker. ``has_scripts``: a Python environment is mounted; ``programs``
    is a folder of ours with programs.
    """
    folders = (programs, "/env/bin" if has_scripts else "", SYSTEM_PATH)
    return BASE_ENVIRONMENT | {"PATH": ":".join(filter(None, folders))}
