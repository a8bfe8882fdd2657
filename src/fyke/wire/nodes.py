"""Messages between a node and its gateway, in MessagePack.

A request is one operation of ``contracts.node``; the type of its answer is that of its base class.
Records of the model are sent as they are. Unknown fields are ignored, and a field that is added
later has a default, so that the ends may be of different releases.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Generic, TypeAlias, TypeVar, get_args

import msgspec

from fyke.errors import (
    BlobsAway,
    CapReached,
    Conflict,
    Forbidden,
    FykeError,
    InsufficientBalance,
    InsufficientTraffic,
    InvalidRequest,
    NotStorable,
    OutcomeUnknown,
    StaleLease,
    Unavailable,
    VersionUnavailable,
)
from fyke.model.attempt import AfterAttempt, AttemptEnd, AttemptReport, RunnerOrders
from fyke.model.node import (
    AttemptOrder,
    ContactState,
    EnvironmentPlace,
    PreparationOrder,
    Registered,
)
from fyke.model.results import AttemptBatch, RunTotals
from fyke.model.run import AttemptKey, End, RunLimits
from fyke.model.runner import Capacity, RunnerInfo
from fyke.model.secret import InjectedSecrets
from fyke.model.sites import SiteShares, SiteUse
from fyke.model.worker import VersionEnvironment
from fyke.reasons import Detail, Reason

PROTOCOLS = (1, 1)  # the lowest and the highest that this release speaks
ALPN = "fyke-node/1"
FILES_ALPN = "http/1.1"  # on the same port, for the files that ``FileUrl`` names

A = TypeVar("A")


class BadNodeMessage(Exception):
    """A message is not one of this protocol."""


class NodeRequest(msgspec.Struct, Generic[A], frozen=True, tag_field="op", omit_defaults=True):
    """A request with an answer of the type ``A``."""


# --- the runner --------------------------------------------------------------------------------


class Welcome(msgspec.Struct, frozen=True, tag="welcome", omit_defaults=True):
    """The node may go on, by this protocol. ``epoch`` is that of its runner."""

    protocol: int
    node: str
    epoch: int


class SupersededNode(msgspec.Struct, frozen=True, tag="superseded", omit_defaults=True):
    """The machine at ``address`` has the name now; it was last seen at ``seen_at`` (ms)."""

    address: str
    seen_at: int


class UnknownNode(msgspec.Struct, frozen=True, tag="unknown", omit_defaults=True):
    """The installation has forgotten the node, or its certificate is from an earlier join."""


class OutdatedNode(msgspec.Struct, frozen=True, tag="outdated", omit_defaults=True):
    """The two ends have no protocol in common. ``release`` is that of the gateway, which speaks the
    protocols from the first to the last of ``protocols``.
    """

    release: str
    protocols: tuple[int, int]


HelloAnswer: TypeAlias = Welcome | SupersededNode | UnknownNode | OutdatedNode


class Hello(NodeRequest[HelloAnswer], frozen=True, tag="hello"):
    """The first request. ``protocols`` are the lowest and the highest that the node speaks.
    ``epoch`` is the one that its runner was given, 0 before the first answer.
    """

    protocols: tuple[int, int]
    release: str
    runner_id: str
    epoch: int = 0


class ReplaceEarlier(NodeRequest[int], frozen=True, tag="replace"):
    """End the attempts of earlier runners of this place; the answer is how many."""


class RegisterNode(NodeRequest[Registered], frozen=True, tag="register"):
    """What the node is and has, every few seconds."""

    info: RunnerInfo


class ShareSites(NodeRequest[SiteShares], frozen=True, tag="sites"):
    """Which sites the machine uses. ``urgent``: it or others have news, so what was
    read before does not do.
    """

    use: SiteUse
    urgent: bool = False


class LeaveNode(NodeRequest[None], frozen=True, tag="leave"):
    """The runner ends, and has no attempts. ``forget``: so does the node, which an engine made."""

    forget: bool = False


class RenewCertificate(NodeRequest[str], frozen=True, tag="renew"):
    """A new certificate for the key of a request in PEM, which is another one."""

    request: str


class CheckContact(NodeRequest[ContactState], frozen=True, tag="contact"):
    """Whether the gateway itself reaches the state. Answered without the state, and also before the
    hello, which needs it.
    """


class KnownNode(msgspec.Struct, frozen=True, tag="known", omit_defaults=True):
    """The installation knows the node. The machine that has its name was last seen at ``seen_at``
    (ms), with ``address``.
    """

    address: str
    seen_at: int


class CheckNode(NodeRequest[KnownNode | UnknownNode], frozen=True, tag="check"):
    """Whether the installation still knows the node of this certificate. Also answered before the
    hello; the runner that has the name of the node keeps it.
    """


# --- attempts ----------------------------------------------------------------------------------


class LeaseAttempts(NodeRequest[list[AttemptOrder]], frozen=True, tag="lease"):
    """Lease what fits. After an answer with orders the node asks again, once it has started them:
    the others may not have fitted into the message.
    """

    capacity: Capacity
    idle: bool


class ListAttempts(NodeRequest[list[AttemptKey]], frozen=True, tag="active"):
    """The attempts that the runner has."""


class StartAttempt(NodeRequest[InjectedSecrets], frozen=True, tag="start"):
    """The Worker of an attempt is about to start."""

    key: AttemptKey


class ReportAttempts(NodeRequest[RunnerOrders], frozen=True, tag="report"):
    """Renew the leases and store the counters."""

    reports: tuple[AttemptReport, ...]


class ReserveBrowser(NodeRequest[RunLimits], frozen=True, tag="reserve"):
    """Let the attempts of a run have a browser."""

    key: AttemptKey
    cpus: float
    memory_mb: int


class ReachLimit(NodeRequest[None], frozen=True, tag="limit"):
    """End a run that has reached a limit."""

    key: AttemptKey
    end: End


class EndAttempt(NodeRequest[AfterAttempt | None], frozen=True, tag="end"):
    """Close the rows of an attempt and end it; None when its lease was lost."""

    key: AttemptKey
    ended: AttemptEnd


class GiveAttemptBack(NodeRequest[AfterAttempt | None], frozen=True, tag="give_back"):
    """Return an attempt to the queue; None when its lease was lost."""

    key: AttemptKey
    fault: Detail
    unstarted_only: bool = False


# --- rows and log lines ------------------------------------------------------------------------


class CommitRows(NodeRequest[list[bool]], frozen=True, tag="commit"):
    """``now`` is the time of the node's clock in ms, by which the log lines are dated."""

    batches: tuple[AttemptBatch, ...]
    now: int


class CloseRows(NodeRequest[int], frozen=True, tag="close"):
    """Accept no more rows of an attempt; the answer is their number."""

    key: AttemptKey


class CountRows(NodeRequest[RunTotals], frozen=True, tag="totals"):
    """The rows of the run of an attempt."""

    key: AttemptKey


# --- environments and files --------------------------------------------------------------------


class FileUrl(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where one file is read or written within some minutes. A path without a host is one of this
    gateway.
    """

    url: str


class FileOwner(msgspec.Struct, frozen=True, omit_defaults=True):
    """Why the node may have a file: an attempt, or the id of a version that it prepares."""

    attempt: AttemptKey | None = None
    version_id: str = ""


class NoteEnvironment(NodeRequest[None], frozen=True, tag="note"):
    """The result of an attempt that needed the environment of its version."""

    key: AttemptKey
    known: VersionEnvironment | None
    reason: Reason | None


class TakePreparation(NodeRequest[PreparationOrder | None], frozen=True, tag="prepare"):
    """Claim a version whose dependencies are to be installed."""


class EndPreparation(NodeRequest[None], frozen=True, tag="prepared"):
    """A claimed environment is ready; or there is a reason why it cannot be, or a fault."""

    version_id: str
    reason: Reason | None = None
    fault: Detail | None = None


class FindBundle(NodeRequest[FileUrl], frozen=True, tag="bundle"):
    """Where the bundle of a version is read. ``direct``: that may be at S3, which the node may be
    unable to reach.
    """

    owner: FileOwner
    digest: str
    direct: bool = True


class FoundEnvironment(msgspec.Struct, frozen=True, omit_defaults=True):
    """The packed environment of a version and where it is read, if there is one."""

    place: EnvironmentPlace
    file: FileUrl | None = None


class FindEnvironment(NodeRequest[FoundEnvironment], frozen=True, tag="environment"):
    """Where the packed environment of a version is read, if it has one of ``keys``. ``direct`` is
    as in ``FindBundle``. There is no request to store one.
    """

    owner: FileOwner
    keys: tuple[str, ...]
    direct: bool = True


class CheckPageRoom(NodeRequest[bool], frozen=True, tag="page_room"):
    """Whether the run of an attempt may have one more stored page."""

    key: AttemptKey


class StorePage(NodeRequest[dict[str, FileUrl]], frozen=True, tag="page"):
    """Where the files of a page are to be written, by kind; ``sizes`` are their bytes."""

    key: AttemptKey
    sizes: dict[str, int]


class DiscardPage(NodeRequest[None], frozen=True, tag="discard_page"):
    """Delete the files of a page that nothing names."""

    key: AttemptKey


# --- notices to a node -------------------------------------------------------------------------


class NodeNotice(msgspec.Struct, frozen=True, tag_field="op", omit_defaults=True):
    """News for a node. Each may be lost, because an answer to ``RegisterNode``, ``ReportAttempts``
    or ``ShareSites`` says the same.
    """


class WorkWaits(NodeNotice, frozen=True, tag="work"):
    """Attempts are waiting that may fit."""


class PreparationWaits(NodeNotice, frozen=True, tag="prepare"):
    """The environment of a version is to be prepared."""


class SitesChanged(NodeNotice, frozen=True, tag="sites"):
    """A site is paused, or a machine has come: ask for it by ``ShareSites``."""


class AttemptsStopped(NodeNotice, frozen=True, tag="stop"):
    """Attempts of this node are to be stopped: report them now."""


AnyRequest: TypeAlias = (
    Hello | ReplaceEarlier | RegisterNode | ShareSites | LeaveNode | RenewCertificate
    | CheckContact | CheckNode | LeaseAttempts | ListAttempts | StartAttempt | ReportAttempts
    | ReserveBrowser | ReachLimit | EndAttempt | GiveAttemptBack | CommitRows | CloseRows
    | CountRows | NoteEnvironment | TakePreparation | EndPreparation | FindBundle
    | FindEnvironment | CheckPageRoom | StorePage | DiscardPage
)  # fmt: skip
AnyNotice: TypeAlias = WorkWaits | PreparationWaits | AttemptsStopped | SitesChanged


# --- errors ------------------------------------------------------------------------------------


class ErrorReply(msgspec.Struct, frozen=True, omit_defaults=True):
    """An error by its key. ``message`` is the sentence of one without a reason."""

    key: str
    message: str
    reason: Reason | None = None


_ERRORS: dict[str, type[FykeError]] = {
    error.key: error
    for error in (
        Unavailable, OutcomeUnknown, BlobsAway, StaleLease, NotStorable, InvalidRequest, CapReached,
        InsufficientBalance, InsufficientTraffic, VersionUnavailable, Conflict, Forbidden,
        FykeError,
    )
}  # fmt: skip
_KEYS: dict[type, str] = {error: key for key, error in _ERRORS.items()}


def encode(message: Any) -> bytes:
    """A request, an answer, a notice or an error as bytes."""
    return _encoder.encode(message)


def decode(decoder: msgspec.msgpack.Decoder[A], data: bytes) -> A:
    """What the other end has sent, which may be anything. Raise ``BadNodeMessage``."""
    try:
        return decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadNodeMessage(str(error)) from error


def decode_request(data: bytes) -> AnyRequest:
    """Raise ``BadNodeMessage``."""
    return decode(_requests, data)


def decode_notice(data: bytes) -> AnyNotice:
    """Raise ``BadNodeMessage``, also for a notice of a later release."""
    return decode(_notices, data)


def decode_answer(request: NodeRequest[A], data: bytes) -> A:
    """The answer to this request. Raise ``BadNodeMessage``."""
    answer: A = decode(_answers(type(request)), data)
    return answer


def encode_error(error: FykeError) -> bytes:
    """An error as it is sent: as the nearest class that nodes know."""
    key = next(_KEYS[kind] for kind in type(error).__mro__ if kind in _KEYS)
    return encode(ErrorReply(key, error.message, error.reason))


def decode_error(data: bytes) -> FykeError:
    """The error that was sent; a ``FykeError`` for one that this release does not know."""
    try:
        reply = decode(_error_replies, data)
    except BadNodeMessage:
        return FykeError("The gateway has sent an error that this release cannot read")
    return _ERRORS.get(reply.key, FykeError)(reply.reason or reply.message)


_encoder = msgspec.msgpack.Encoder()
_requests: msgspec.msgpack.Decoder[AnyRequest] = msgspec.msgpack.Decoder(AnyRequest)
_notices: msgspec.msgpack.Decoder[AnyNotice] = msgspec.msgpack.Decoder(AnyNotice)
_error_replies = msgspec.msgpack.Decoder(ErrorReply)


@cache
def _answers(request: type[NodeRequest[Any]]) -> msgspec.msgpack.Decoder[Any]:
    [base] = getattr(request, "__orig_bases__")  # noqa: B009 - types know it as a tuple of objects
    return msgspec.msgpack.Decoder(get_args(base)[0])
