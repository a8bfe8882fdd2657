"""``fyke.json``: the declarations of a Worker project. The file is optional.

    {"egress": ["example.com", "*.example.org"], "install": "wheels", "secrets": ["SHOP_LOGIN"],
     "browser": "required"}

``egress`` lists the only sites that the Worker can reach; ``install`` is ``build`` when its
dependencies run code during installation, else ``wheels``; ``secrets`` lists the secrets that an
account should set to run it; ``browser`` says whether it uses one. An invalid file prevents the
publication, because the author relies on the restrictions in it.
"""

from __future__ import annotations

from dataclasses import dataclass

from fyke.domain.workers import jsontext
from fyke.domain.workers.schema_report import ERROR, SchemaReport
from fyke.domain.workers.secret_rules import MAX_SECRETS, check_name
from fyke.errors import InvalidFields
from fyke.kit.domains import MAX_DOMAINS, BadDomain, Domain
from fyke.model.worker import BrowserNeed, Finding

FILE = "fyke.json"
EGRESS, INSTALL, SECRETS, BROWSER = "egress", "install", "secrets", "browser"
_KEYS = (EGRESS, INSTALL, SECRETS, BROWSER)
WHEELS, BUILD = "wheels", "build"
MAX_BYTES = 64 * 1024

_EXAMPLE = '{"egress": ["example.com", "*.example.org"], "install": "wheels"}'
_BLOCKING = frozenset(
    {
        "project_file_root_invalid",
        "project_key_twice",
        "egress_invalid",
        "install_invalid",
        "secrets_invalid",
        "browser_invalid",
    }
)
_NEEDS = (BrowserNeed.REQUIRED, BrowserNeed.HEADFUL, BrowserNeed.OPTIONAL, BrowserNeed.NONE)


@dataclass(frozen=True, slots=True)
class Declarations:
    """The content of the file. ``egress``: domains as ``checked_domain`` returns them, None when
    every public site may be reached; ``builds``: its dependencies run code during installation;
    ``secrets``: names; ``browser`` is UNKNOWN when nothing is declared.
    """

    egress: tuple[str, ...] | None = None
    builds: bool = False
    secrets: tuple[str, ...] = ()
    browser: BrowserNeed = BrowserNeed.UNKNOWN


def read(text: str) -> tuple[Declarations, list[Finding]]:
    """Parse a ``fyke.json``; return its declarations and all findings, in order of line.

    An invalid member is an error among the findings, and counts as empty.
    """
    try:
        document = jsontext.loads(text)
    except jsontext.BadJson as error:
        message = f"{FILE} is not a valid json: {error}"
        remedy = "correct the JSON at this line, or remove the file"
        return Declarations(), [
            Finding(ERROR, "project_file_root_invalid", FILE, error.line, message, remedy)
        ]
    report = SchemaReport(FILE, text, _BLOCKING)
    if not isinstance(document, dict):
        message = f"the root of {FILE} must be an object"
        report.add("project_file_root_invalid", (), message, f"write {_EXAMPLE}")
        return Declarations(), report.finish()
    for key in jsontext.repeated_keys(text):
        message = f'the key "{key}" occurs more than once, and only one can apply'
        report.add("project_key_twice", (key,), message, "keep one of them")
    for key in document:
        if key not in _KEYS:
            message = f'unknown key "{key}", which has no effect'
            report.add("project_key_unknown", (key,), message, f"use {', '.join(_KEYS)}")
    declared = Declarations(
        _egress(document, report),
        _builds(document, report),
        _secrets(document, report),
        _browser(document, report),
    )
    return declared, report.finish()


def checked_domain(text: str) -> str:
    """Return a domain in its usual spelling, see ``fyke.kit.domains``. Raise ``BadDomain``."""
    if "/" in text or "@" in text:
        raise BadDomain(text, "it is an address of a page", "write example.com")
    if "*" in text.strip().removeprefix("*."):
        remedy = "write *.example.com for all names below it"
        raise BadDomain(text, "a * is only allowed at the beginning", remedy)
    domain = Domain.parse(text)
    if isinstance(domain.host, str) and "." not in domain.host:
        remedy = "write the whole name, such as example.com"
        raise BadDomain(text, "it has only one part, so it is not a site", remedy)
    return str(domain)


def _egress(document: dict[str, object], report: SchemaReport) -> tuple[str, ...] | None:
    if EGRESS not in document:
        return None
    domains = document[EGRESS]
    if not isinstance(domains, list) or len(domains) > MAX_DOMAINS:
        message = f"{EGRESS} must be a list of at most {MAX_DOMAINS} domains"
        remedy = 'write ["example.com", "*.example.org"], or leave it out to reach every site'
        report.add("egress_invalid", (EGRESS,), message, remedy)
        return ()
    declared: dict[str, None] = {}
    for index, text in enumerate(domains):
        _add_domain(declared, index, text, report)
    return tuple(declared)


def _add_domain(declared: dict[str, None], index: int, text: object, report: SchemaReport) -> None:
    path, field = (EGRESS, index), f"{EGRESS}[{index}]"
    if not isinstance(text, str):
        message, remedy = f"{field} must be a string", 'write a domain such as "example.com"'
        report.add("egress_invalid", path, message, remedy)
        return
    try:
        domain = checked_domain(text)
    except BadDomain as error:
        report.add("egress_invalid", path, f"{field}: {error.rule}", error.remedy)
        return
    if domain in declared:
        report.add("egress_twice", path, f"{field} names {domain} twice", "remove one of the two")
    declared[domain] = None


def _secrets(document: dict[str, object], report: SchemaReport) -> tuple[str, ...]:
    names = document.get(SECRETS, [])
    if not isinstance(names, list) or len(names) > MAX_SECRETS:
        message = f"{SECRETS} must be a list of at most {MAX_SECRETS} names"
        report.add("secrets_invalid", (SECRETS,), message, 'write ["SHOP_LOGIN"]')
        return ()
    declared: dict[str, None] = {}
    for index, name in enumerate(names):
        try:
            declared[check_name(name if isinstance(name, str) else "")] = None
        except InvalidFields as error:
            [problem] = error.problems
            message = f"{SECRETS}[{index}]: {problem.rule}"
            remedy = problem.remedy or "change the name"
            report.add("secrets_invalid", (SECRETS, index), message, remedy)
    return tuple(declared)


def _builds(document: dict[str, object], report: SchemaReport) -> bool:
    install = document.get(INSTALL, WHEELS)
    if install not in (WHEELS, BUILD):
        message = f'{INSTALL} must be "{WHEELS}" or "{BUILD}"'
        remedy = f'write "{WHEELS}" unless a dependency must be compiled when it is installed'
        report.add("install_invalid", (INSTALL,), message, remedy)
    return install == BUILD


def _browser(document: dict[str, object], report: SchemaReport) -> BrowserNeed:
    if BROWSER not in document:
        return BrowserNeed.UNKNOWN
    declared = document[BROWSER]
    for need in _NEEDS:
        if declared == need.value:
            return need
    message = f'{BROWSER} must be "required", "headful", "optional" or "none"'
    remedy = (
        'write "required" if every run uses a browser, "headful" if it must have windows, '
        '"optional" if some runs use one, "none" if none does, or leave it out to have it detected'
    )
    report.add("browser_invalid", (BROWSER,), message, remedy)
    return BrowserNeed.UNKNOWN
