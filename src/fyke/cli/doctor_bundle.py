"""``fyke doctor --bundle``: one archive with what a maintainer needs, secrets masked.

Every part is made by itself, so that what is broken, or away, costs only its own part. Secrets are
masked in each, and the finished content is searched again: if anything is left, nothing is written.
"""

from __future__ import annotations

import io
import json
import os
import re
import tarfile
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fyke.cli import formatting
from fyke.cli.errors import CommandFailed, Exit
from fyke.cli.owner import as_owner

if TYPE_CHECKING:
    from fyke.cli.doctor_server import RunningServer
    from fyke.settings import Settings

MANIFEST = "MANIFEST.txt"
NOT_IN_IT = (
    "Rows, inputs and logs of runs, code of Workers, and the databases are not in it. Names of "
    "Workers, accounts and users are not in it, except in the log, which also has addresses of "
    "clients. Names and addresses of machines are in it."
)
DESCRIPTIONS = {
    "doctor.txt": "what fyke doctor says",
    "doctor.json": "the same as JSON",
    "health.json": "the checks of the running server, also of nodes",
    "versions.json": "Fyke, Python and all packages",
    "settings.json": "each setting and where it was set, as this command reads them",
    "machine.json": "system, memory, disk, limits and what the kernel allows",
    "folder.json": "names and sizes in the data folder",
    "migrations.json": "the migrations that the tables have, and those of this program",
    "runs.json": "numbers of runs by state, and of those ended lately by reason",
    "machines.json": "the machines of the installation and its nodes, as they last reported",
    "metrics.txt": "queue, attempts, machines and callbacks as numbers",
}
_KEYS = re.compile(
    rb"scraper_api_[0-9A-Z]{5}|whsec_[A-Za-z0-9+/=_-]|fyken_[A-Za-z0-9_.-]"
    rb"|-----BEGIN [A-Z ]*PRIVATE KEY|://[^/\s:@\"*]+:(?!\*\*\*@)[^@\s/\"]+@"
)
_NUMBER = re.compile(rb'("(?:[^"\\]|\\.)*+")|-?[0-9][0-9.eE+-]*+')  # or a string, which stays
_SIZE = re.compile(rb"  [0-9]+ bytes  ")
_PRIVATE_KEY = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL
)


@dataclass(slots=True)
class Bundle:
    """The files of an archive: content and description by name, and why others are missing."""

    files: dict[str, tuple[str, str]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, text: str, description: str = "") -> None:
        self.files[name] = text, description or DESCRIPTIONS[name]

    def add_part(self, name: str, make: Callable[[], Any]) -> Any:
        """Add what ``make`` returns, as JSON unless it is text; or why that is missing."""
        try:
            value = make()
        except Exception as error:  # whatever is broken, the other parts are of use
            self.missing[name] = _line(str(error) or type(error).__name__)
            return None
        self.add(name, value if isinstance(value, str) else json.dumps(value, indent=1) + "\n")
        return value


def _line(text: str) -> str:
    return " ".join(text.split())


def collect(settings: Settings, server: RunningServer | None, doctor: Mapping[str, str]) -> Bundle:
    """Everything for the archive, not masked yet. ``doctor`` has the two files of the checks."""
    from fyke.app import diagnostics
    from fyke.app.folder import is_node

    bundle = Bundle()
    for name, text in doctor.items():
        bundle.add(name, text)
    bundle.add_part("versions.json", diagnostics.program_versions)
    bundle.add_part(
        "settings.json", lambda: diagnostics.settings_with_origins(settings, os.environ)
    )
    bundle.add_part("machine.json", lambda: diagnostics.machine_facts(settings.home))
    bundle.add_part("folder.json", lambda: diagnostics.folder_sizes(settings.home))
    joined = is_node(settings.home)
    if joined:
        for name in ("health.json", "migrations.json", "runs.json", "machines.json", "metrics.txt"):
            bundle.missing[name] = "a node has no server and no database"
    else:
        bundle.add_part("health.json", lambda: _health(server))
        _add_installation(bundle, settings)
    _add_logs(bundle, settings, joined=joined)
    return bundle


def _health(server: RunningServer | None) -> Any:
    from fyke.cli.output import data_of
    from fyke_client import FykeAdmin

    if server is None:
        raise CommandFailed("no server of this data folder answers")
    with FykeAdmin(server.location.url, server.location.key, timeout=10, retries=0) as client:
        return data_of(client.health())


def _add_installation(bundle: Bundle, settings: Settings) -> None:
    from fyke.app import diagnostics

    parts = ("migrations.json", "runs.json", "machines.json", "metrics.txt")
    if not settings.database_url and not (settings.home / "state.db").exists():
        bundle.missing |= dict.fromkeys(parts, "there is no database yet")
        return
    exists = settings.home.exists()
    try:
        with as_owner(settings.home, settings.service_user) if exists else nullcontext():
            bundle.add_part("migrations.json", lambda: diagnostics.table_versions(settings))
            facts = diagnostics.installation_facts(settings)
    except Exception as error:  # the database may be away, or damaged in any way
        reason = _line(str(error) or type(error).__name__)
        bundle.missing |= dict.fromkeys(
            [name for name in parts if name not in bundle.files], reason
        )
        return
    bundle.add_part("runs.json", lambda: facts.runs)
    bundle.add_part("machines.json", lambda: facts.machines)
    bundle.add_part("metrics.txt", lambda: facts.metrics)


def _add_logs(bundle: Bundle, settings: Settings, *, joined: bool) -> None:
    from fyke.cli.doctor_log import last_logs

    try:
        logs = last_logs(settings, is_node=joined)
    except (CommandFailed, OSError) as error:
        bundle.missing["log"] = _line(str(error))
        return
    for log in logs:
        bundle.add(log.name, log.text, log.source)
    if not logs:
        bundle.missing["log"] = (
            "the standard error of Fyke is not a file or journal that this user can read; add its "
            "last part, such as from podman logs or kubectl logs"
        )


# --- masking and writing --------------------------------------------------------------------


class SecretFound(CommandFailed):
    """A part still has a secret after masking."""

    def __init__(self, name: str, secret: str) -> None:
        super().__init__(
            f"Nothing was written: {name} still has {secret} after masking. Report this as a bug "
            "of Fyke, without the content"
        )


def mask(bundle: Bundle, secrets: Mapping[str, str]) -> None:
    """Mask the secrets in all texts, in any encoding."""
    from fyke.domain.secrets.masking import Masker
    from fyke.telemetry.logging import redact

    masker = Masker(secrets)

    def masked(text: str) -> str:
        return redact(masker.text(_PRIVATE_KEY.sub("***private key***", text)))

    bundle.files = {
        name: (
            _masked_json(text, masked) if name.endswith(".json") else masked(text),
            masked(source),
        )
        for name, (text, source) in bundle.files.items()
    }
    bundle.missing = {name: masked(reason) for name, reason in bundle.missing.items()}


def _masked_json(text: str, masked: Callable[[str], str]) -> str:
    """Mask the strings in JSON, which stays valid: a number may have the digits of a password."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return masked(text)

    def of(value: Any) -> Any:
        match value:
            case str():
                return masked(value)
            case dict():
                return {masked(key): of(item) for key, item in value.items()}
            case list():
                return [of(item) for item in value]
        return value

    return json.dumps(of(document), indent=1) + "\n"


def _searched(name: str, data: bytes) -> bytes:
    """What may be a secret in a file: not the numbers of JSON, nor the sizes in the manifest."""
    if name == MANIFEST:
        return _SIZE.sub(b"  ", data)
    return _NUMBER.sub(rb"\1", data) if name.endswith(".json") else data


def refuse_secrets(files: Mapping[str, bytes], secrets: Mapping[str, str]) -> None:
    """Search the finished files for secrets and for what looks like a key. Raises
    ``SecretFound``, which names the place of the secret.
    """
    from fyke.domain.secrets.encodings import encodings

    sought = {
        text.encode(errors="surrogateescape"): place
        for place, value in secrets.items()
        for text in {value, *encodings(value)}
    }
    for name, content in files.items():
        data = _searched(name, content)
        for text, place in sought.items():
            if text in data:
                raise SecretFound(name, f"the secret of {place}")
        if _KEYS.search(data):
            raise SecretFound(name, "what looks like a key or a password")


def manifest(bundle: Bundle) -> str:
    """One line for each file, with its size, and one for each that is missing."""
    lines = [
        f"{name}  {len(text.encode())} bytes  {description}"
        for name, (text, description) in bundle.files.items()
    ]
    lines += [f"{name}  missing: {reason}" for name, reason in bundle.missing.items()]
    return "\n".join([*lines, "", NOT_IN_IT, "Secrets are masked: ***.", ""])


def write(file: Path, bundle: Bundle, secrets: Mapping[str, str]) -> int:
    """Mask, search and write; return the number of bytes. Only the owner can read the file. Raises
    ``CommandFailed`` for one that exists.
    """
    mask(bundle, secrets)
    texts = {MANIFEST: manifest(bundle)} | {name: one[0] for name, one in bundle.files.items()}
    files = {name: text.encode(errors="replace") for name, text in texts.items()}
    refuse_secrets(files, secrets)
    data = _archive(file, files)
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise CommandFailed(f"{file} already exists; name a new file", Exit.CONFLICT) from None
    try:
        with os.fdopen(descriptor, "wb") as target:
            target.write(data)
    except OSError:  # a full disk: a part of it is of no use
        with suppress(OSError):
            file.unlink()
        raise
    return len(data)


def _archive(file: Path, files: Mapping[str, bytes]) -> bytes:
    target = io.BytesIO()
    folder = file.name.removesuffix(".tar.gz")
    with tarfile.open(fileobj=target, mode="w:gz") as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(f"{folder}/{name}")
            entry.size, entry.mode, entry.mtime = len(data), 0o600, int(time.time())
            archive.addfile(entry, io.BytesIO(data))
    return target.getvalue()


def file_of(name: str | None) -> Path:
    """The file to write. Raises ``CommandFailed`` before any work if that cannot be made."""
    file = Path(name or time.strftime("fyke-doctor-%Y%m%d-%H%M%S.tar.gz"))
    if not file.name.endswith(".tar.gz"):
        raise CommandFailed(f"{file}: the name must end with .tar.gz", Exit.USAGE)
    if file.exists():
        raise CommandFailed(f"{file} already exists; name a new file", Exit.CONFLICT)
    if not file.parent.is_dir():
        raise CommandFailed(
            f"{file.parent} is not a folder; create it, or name another file", Exit.USAGE
        )
    if not os.access(file.parent, os.W_OK):
        raise CommandFailed(
            f"{file.parent} may not be written by this user; name another file", Exit.USAGE
        )
    return file


def report(bundle: Bundle, size: int) -> list[str]:
    """The lines that say what is in the archive, and what is not."""
    lines = [f"{name}: {description}" for name, (_, description) in bundle.files.items()]
    lines += [f"{name}: missing, {reason}" for name, reason in bundle.missing.items()]
    count = formatting.count(len(bundle.files), "file")
    return [*lines, f"{count}, {formatting.size(size)}, secrets masked. {NOT_IN_IT}"]
