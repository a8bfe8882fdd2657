"""The words that the project does not use, and their replacements.

A rule is a regular expression over lower-case words. It is matched in sentences, and in names that
are split into words: ``WayOutItem`` and ``way_out_item`` are both ``way out item``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

PROSE = "prose"  # docstrings, comments, texts of the program, pages; names of tests
CLASS = "class"
NAME = "name"  # functions, arguments, variables, keywords, keys with more than one part
FILE = "file"  # file and folder names without their extension
NAMES = frozenset({CLASS, NAME, FILE})
EVERYWHERE = NAMES | {PROSE}


@dataclass(frozen=True)
class Rule:
    """``words`` is matched between word boundaries, except where ``unless`` matches in the same
    sentence or name, and only in paths that ``where`` matches.
    """

    words: str
    instead: str
    scopes: frozenset[str] = EVERYWHERE
    unless: str = ""
    where: str = ""
    pattern: re.Pattern[str] = field(init=False, repr=False)
    exempt: re.Pattern[str] | None = field(init=False, repr=False)
    path: re.Pattern[str] | None = field(init=False, repr=False)

    def __post_init__(self) -> None:
        spaced = self.words.replace(" ", r"\s+")
        object.__setattr__(self, "pattern", re.compile(rf"\b(?:{spaced})\b"))
        exempt = re.compile(self.unless, re.IGNORECASE) if self.unless else None
        object.__setattr__(self, "exempt", exempt)
        object.__setattr__(self, "path", re.compile(self.where) if self.where else None)

    def applies_in(self, path: str) -> bool:
        """Whether the rule is for the file ``path``, relative to the root."""
        return self.path is None or bool(self.path.search(path))


def _prose(words: str, instead: str, unless: str = "", where: str = "") -> Rule:
    return Rule(words, instead, frozenset({PROSE}), unless, where)


def _names(words: str, instead: str, unless: str = "", where: str = "") -> Rule:
    return Rule(words, instead, NAMES, unless, where)


def _classes(words: str, instead: str, where: str = "") -> Rule:
    """Whole names of classes, so ``Plan`` is refused and ``CommitPlan`` is not."""
    return Rule(f"^(?:{words})$", instead, frozenset({CLASS}), "", where)


def _files(words: str, instead: str, where: str = "", unless: str = "") -> Rule:
    """Whole names of files and folders."""
    return Rule(f"^(?:{words})$", instead, frozenset({FILE}), unless, where)


_WELL = "known|formed|defined|below|above|within|under|over|tested|typed"
_BOXES = "text|list|search|input|dialog|check|combo|bounding|black|white|mail|view|flex"
_MONEY = (
    r"balance|money|amount|\bcost|\bprice|billing|\bcap\b|\bcaps\b|\bUSD\b|dollar|credit|refund"
    r"|ledger|charge|\bpaid\b|spend|spent"
)
_RESOURCE = (
    r"\b(hold|holds|holding)\b(\W+\w+){0,3}?\W+(locks?|leases?|mutex|semaphore|permits?|slots?"
    r"|connections?|transactions?|references?|descriptors?|key|button|pointer)\b"
)

_HOLD = rf"{_MONEY}|{_RESOURCE}|on hold"

_PEOPLE = (
    Rule("whoever", "the noun that is meant: the caller, the client, the user"),
    Rule("somebody", "the noun that is meant: a user, another process"),
    Rule("everybody", "the noun that is meant: all users, every client"),
    Rule("anybody", "the noun that is meant: any user, any client"),
    Rule(
        "nobody",
        "no user, no process, none",
        unless=r"\b[ug]id\b|user nobody|nobody user|nobody group|nogroup",
    ),
    Rule("oneself|himself|herself", "me, the user, the process"),
    Rule("of people", "of users, of accounts"),
    _names("people", "users, accounts"),
)

_VERBS = (
    Rule("mend|mends|mended|mending", "fix, repair, correct"),
    Rule("tell|tells|told|telling", "report, notify, send, name, say"),
    Rule(
        "spare|spares|spared|sparing",
        "throttle, avoid, skip",
        unless=r"\bspare (bits?|bytes?|capacity|room|space|cores?|memory|time)\b",
    ),
    _prose("looks? on|looked on|looking on", "observe, monitor"),
    _prose("gives? way|gave way|giving way", "yield, be replaced by"),
    _prose("lets?( it| them| him| you)? (go|in|off|through|be)", "release, admit, allow, accept"),
    _names("let (go|in|off|through)", "release, admit, allow"),
    _prose(
        "holds?|holding", "contain, keep, apply, enforce", unless=rf"{_MONEY}|{_RESOURCE}|on hold"
    ),
    _prose("held (to|against|up)", "checked against, compared with, delayed", unless=_MONEY),
    Rule("begun", "started"),
    Rule("judge|judges|judged|judging", "evaluate, check, decide"),
    _prose("carry out|carries out|carried out|carrying out", "run, execute, perform"),
    Rule("carry out|carrying out", "run, execute", frozenset({CLASS, NAME, FILE})),
    _names("carrier|carry|carries", "AttemptRunner; run, move, transfer"),
)

_PHRASES = (
    Rule("ways? out", "remedy, fix; egress"),
    _prose("again and again", "repeatedly"),
    _prose("belongs? into", "belongs in"),
    _prose("before your eyes", "the plain sentence"),
    _prose("slip of the pen", "a typing error"),
    _prose("opens? nothing|opened nothing", "no longer valid, gives no access"),
    _prose("(takes?|took|taken|taking) the place of", "replace"),
    _prose(
        "(is|are|was|were|all) well",
        "healthy",
        unless=rf"well[- ]({_WELL})",
    ),
    _prose("last day", "Expires", unless="(its|and|the) last day|last day (of|and|to|in|on|is)"),
)

_SANDBOX = (
    Rule(
        "box|boxes|boxed",
        "sandbox",
        unless=rf"({_BOXES})[- ]?box|box[- ](sizing|shadow|model)|busy ?box|out of the box",
    ),
    Rule("^cell( (usage|exit|failed))?$|remote cell", "SandboxProcess", frozenset({CLASS})),
    Rule("cells?", "sandbox process", where=r"(^|/)(sandbox|runner|engine)/"),
    Rule(
        "walls?",
        "isolation, check, layer of isolation",
        unless=r"\bwall[- ](clock|times?|ms)\b|pay ?wall|fire ?wall",
    ),
    Rule("leftovers", "clean-up, remains"),
    Rule("plumbing", "process I/O"),
    Rule("shelf|shelves", "find_links folders, package folders"),
    Rule("desk|desks", "PackageInstaller", unless=r"help desk"),
    Rule("scout|scouts", "registry probe"),
    _classes("outside", "HostInspection"),
    _files("outside", "host_inspection", where=r"\.py$"),
    _classes("held|tools", "SpawnedSandbox, AttemptDependencies"),
)

_EGRESS = (
    Rule("gates?", "AttemptProxy, check, limiter"),
    _classes("reach|tool reach", "Dialer"),
    _classes("pass", "EgressGrant"),
    _classes("link", "ProxiedConnection", where=r"egress/"),
    _files("link", "proxied_connection", where=r"egress/"),
    _classes("client side|target side", "ClientProtocol, UpstreamProtocol"),
    _classes("guard|site pace", "SiteThrottle"),
    _files("guard", "root_supervisor, site_throttle", where=r"\.py$"),
    _names("^guard$", "root_supervisor, throttle", where=r"/(egress|cli|app|runner)/"),
    _prose(
        "(the|a|an|our|its|every|no) guards?",
        "root supervisor, site throttle",
        unless=r"guard (clause|page|value)",
    ),
    _names("site books?", "SiteCounters"),
    Rule("books?", "counters", where=r"egress/"),
)

_APP = (
    Rule("house|houses", "app, Runtime, installation", unless=r"house (style|rules?)|in[- ]house"),
    Rule("estate|estates", "fixtures, components"),
    _names("pieces?", "components", where=r"/app/|installation"),
    Rule("doorbells?", "Signals"),
    Rule("bells?", "signal, timer"),
    Rule("ears?", "Listener"),
    Rule(
        "ring|rings|rang|rung|ringing",
        "notify, signal",
        unless=r"\bring[- ]?buffers?\b|io_uring|phone",
    ),
    _classes("ways", "NotifierRouter"),
    _files("ways", "router"),
    Rule("door|doors", "entrance, access, endpoint"),
)

_DOMAIN = (
    Rule("wish|wishes|wished", "request: PublishRequest, ExportRequest, FormRequest; want"),
    _classes("acts?", "AuditAction"),
    _files("acts", "audit_actions"),
    _classes(
        "plan", "ScheduleSpec, CommitPlan, ExportJob, SplitPreview", where=r"^(?!.*(account|plans))"
    ),
    _names("run uses?", "RunUsage"),
    _files("use", "usage"),
    _classes("part", "SubtaskView"),
    _names("run parts", "SubtaskReader"),
    _classes("following|queue following|list following", "RunStream, QueueStream, ListStream"),
    _classes("(\\w+ )?news", "RunUpdate, QueueUpdate"),
    _classes("place|kinds", "StreamCursor, StreamFilter"),
    _files("again", "rerun"),
    _files("own", "fyke"),
    _files("(\\w+ )*words", "labels, vocabulary, formatting", where=r"\.py$"),
    _names("giving|spellings|withholding", "inject, encodings, redaction"),
    _names("^(looking|changing|acting)$", "read_routes, write_routes, action_routes"),
    _names("took place", "was_applied"),
    _names("^storable$", "to_storable_text"),
    _names("alert watch", "AlertMonitor"),
    _names("^what$", "the noun that is meant"),
)

_TESTS = (
    Rule("herd|herds", "misbehaving Workers", unless=r"thundering"),
    Rule("animals?", "misbehaving Workers"),
    _names("^hands$", "input devices"),
)

RULES: tuple[Rule, ...] = (
    *_PEOPLE,
    *_VERBS,
    *_PHRASES,
    *_SANDBOX,
    *_EGRESS,
    *_APP,
    *_DOMAIN,
    *_TESTS,
)
