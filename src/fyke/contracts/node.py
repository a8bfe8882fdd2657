"""The only way from a runner to the installation, on the same machine or on another one.

A runner on another machine sends each call over a stream, where an answer may be lost: then the
call is made again. Where the result of a repeated call is not stated, it is as if the first one had
not been made. All methods may raise ``Unavailable``, and those with the key of an attempt
``StaleLease`` when this runner does not have its lease; those that return None then say so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol

from fyke.contracts.signals import Listener
from fyke.model.attempt import AfterAttempt, AttemptEnd, AttemptReport, RunnerOrders
from fyke.model.last_page import PageContent, PageFileKind
from fyke.model.node import (
    AttemptOrder,
    ContactState,
    EnvironmentPlace,
    PreparationOrder,
    Registered,
    RunnableVersion,
)
from fyke.model.results import AttemptBatch, RunTotals
from fyke.model.run import AttemptKey, End, RunLimits
from fyke.model.runner import Capacity, RunnerInfo
from fyke.model.secret import InjectedSecrets
from fyke.model.sites import SiteShares, SiteUse
from fyke.model.worker import EnvironmentArchive, InstallFailure, VersionEnvironment
from fyke.reasons import Detail, Reason


class NodeGateway(Protocol):
    """What one runner asks of its installation."""

    @property
    def rows(self) -> AttemptRows: ...
    @property
    def files(self) -> NodeFiles: ...

    # --- the runner ---------------------------------------------------------------------------

    def listen(self) -> AbstractAsyncContextManager[Listener]:
        """Signals to this runner, which may be lost: ``WORK``, ``STOP``, ``PREPARE``, ``SITES``."""
        ...

    async def contact(self) -> ContactState:
        """Asked when leases were not renewed for a while. Takes a few seconds at most, and raises
        nothing.
        """
        ...

    async def replace_earlier(self) -> int:
        """End the attempts of earlier runners of this place and forget these runners, and those of
        any place that were silent for a week; return how many attempts were ended. Called once,
        after the first ``register``.
        """
        ...

    async def register(self, info: RunnerInfo) -> Registered:
        """Report what this runner is and has, every few seconds; its id, node, place and
        ``heartbeat_at`` are those that the installation knows. The latest call counts.
        """
        ...

    async def share_sites(self, use: SiteUse, *, urgent: bool = False) -> SiteShares:
        """Say which sites this machine uses now, every second while it has attempts and there are
        other machines; return what it shares them with. The latest call counts, for as long as the
        runner registers. The answer may be a second old, unless ``urgent``: after ``SITES``, or
        when a site was paused here. Raise ``FykeError``: then every site has the smallest part.
        """
        ...

    async def leave(self, *, forget: bool = False) -> None:
        """Forget this runner, which has no attempts any more; with ``forget`` its node too. Raise
        ``Conflict`` for a node that only the operator forgets. Repeated: no effect.
        """
        ...

    # --- attempts -----------------------------------------------------------------------------

    async def lease(self, capacity: Capacity, *, idle: bool) -> list[AttemptOrder]:
        """Lease waiting attempts that fit into the free ``capacity``. An ``idle`` runner may also
        get one attempt that is larger than its whole capacity. Attempts of a version that is
        missing have been ended. These may not be all that fit: unless the last one says so
        (``is_last``), it is called again as soon as they are started. Not repeated: see ``active``.
        """
        ...

    async def active(self) -> list[AttemptKey]:
        """The attempts that this runner has, as far as the installation knows. After a ``lease``
        without an answer it gives back those that it does not know.
        """
        ...

    async def start(self, key: AttemptKey) -> InjectedSecrets:
        """Record that the Worker's process is about to start, and return the secrets of the attempt
        if it may. Repeated: the first start counts.
        """
        ...

    async def report(self, reports: Sequence[AttemptReport]) -> RunnerOrders:
        """Renew the leases and store the counters. Repeated: no effect. Attempts that this runner
        does not have are reported as lost.
        """
        ...

    async def reserve_browser(self, key: AttemptKey, cpus: float, memory_mb: int) -> RunLimits:
        """Let the attempts of a run have a browser with these limits, or those of the installation
        where a node asks for more; return the run's limits: those of an earlier call if there was
        one.

        Raise ``InvalidRequest``, ``CapReached``, ``InsufficientBalance`` or ``InsufficientTraffic``
        when it cannot be paid for.
        """
        ...

    async def limit_reached(self, key: AttemptKey, end: End) -> None:
        """End the run, which has reached a limit. Repeated: no effect."""
        ...

    async def end(self, key: AttemptKey, ended: AttemptEnd) -> AfterAttempt | None:
        """Close the rows of the attempt, end it, and write the last line of the run when that was
        its last subtask. None when the lease was lost, and then nothing is recorded. Repeated: the
        answer of the first call.
        """
        ...

    async def give_back(
        self, key: AttemptKey, fault: Detail, *, unstarted_only: bool = False
    ) -> AfterAttempt | None:
        """Write a line about it to the log, close the rows of the attempt, and return it to the
        queue because of a fault before its Worker's first instruction. ``unstarted_only``: write no
        line, and change nothing when its start was recorded. None when the lease was lost.
        Repeated: the answer of the first call.
        """
        ...

    # --- environments -------------------------------------------------------------------------

    async def note_environment(
        self, key: AttemptKey, known: VersionEnvironment | None, reason: Reason | None
    ) -> None:
        """Record the result of an attempt that needed the environment of its version, unless it is
        already ``known``. ``reason``: why the installation failed, None if it is ready.
        """
        ...

    async def take_preparation(self) -> PreparationOrder | None:
        """Claim the next version whose dependencies are to be installed, None when none is due."""
        ...

    async def end_preparation(self, version_id: str, result: Reason | Detail | None) -> None:
        """Record that a claimed environment is ready (None), why it cannot be installed (a reason),
        or a fault of the platform (a detail), after which it is tried again.
        """
        ...


class ServedNode(NodeGateway, Protocol):
    """What a gateway has for a node that it serves. ``lease``, and ``start`` and ``end`` of an
    attempt that the runner has, raise ``Forbidden`` and change no state when the name of the node
    has another join or runner now, or is removed. ``end`` may have closed the rows of the attempt.
    """

    @property
    def saw_all(self) -> bool:
        """Whether the latest ``lease`` has looked at all that waits for this runner: it was not
        refused, has left nothing to machines with its environment, and has ended nothing.
        """
        ...

    @property
    def left_none(self) -> bool:
        """Whether nothing waits, apart from what the latest ``lease`` has found, that a runner
        would get which differs from this one only in its free room.
        """
        ...


class AttemptRows(Protocol):
    """Where a runner stores what its attempts put out, from their lease to ``close``."""

    async def open(self, run_id: str, attempt_id: str) -> None:
        """Called for each leased attempt before its first batch, apart from the commits of others,
        which it may delay. Repeated: no effect.
        """
        ...

    async def append(self, batch: AttemptBatch) -> bool | None:
        """Store one batch at once if that needs no other wait than for its acknowledgement, and
        answer as ``commit`` does. None when it was not stored and has to be committed.
        """
        ...

    async def commit(self, batches: Sequence[AttemptBatch]) -> list[bool]:
        """Store the batches; return for each whether it is durable. False: its attempt is closed.
        Repeated with the same batches, which have numbers: nothing is stored twice, and what was
        stored is answered as durable, also after its attempt was closed, until the attempt has
        ended: then all are answered as closed. Batches of an attempt are committed in the order of
        their numbers, each after the answer to the one before.
        """
        ...

    async def close(self, attempt_id: str) -> int:
        """Reject all further batches of this attempt; return the number of its rows."""
        ...

    async def totals(self, run_id: str) -> RunTotals:
        """The rows of a run of which this runner has an attempt, from all its runners."""
        ...


class NodeFiles(Protocol):
    """Files that a runner reads and writes. ``owner`` is an attempt of this runner, or the id of a
    version that it prepares.
    """

    async def bundle(self, owner: AttemptKey | str, version: RunnableVersion, target: Path) -> None:
        """Write the bundle of a version to a file. What is there has the digest of the version.

        Raise ``VersionUnavailable`` when it is missing or was changed.
        """
        ...

    async def environment(
        self, owner: AttemptKey | str, keys: Sequence[str], target: Path
    ) -> EnvironmentPlace:
        """Write the packed environment of the owner's version to a file, if the installation has
        one for one of these ``keys``. What is there has the digest of ``EnvironmentPlace.archive``;
        without an archive nothing was written. A node gets a failure for one of the ``keys``.
        Raise ``Unavailable`` also if the disk of the file has too little free space, and
        ``OSError``.
        """
        ...

    async def page_room(self, key: AttemptKey) -> bool:
        """Whether the run of this attempt may have one more stored page."""
        ...

    async def put_page(self, key: AttemptKey, content: PageContent) -> None:
        """Store the files of the last page; ``NodeGateway.end`` names them. Repeated: no effect."""
        ...

    async def discard_page(self, key: AttemptKey) -> None:
        """Delete the files of a page that nothing names."""
        ...


class NodeFilePlaces(Protocol):
    """Where the files of a runner on another machine are, for its gateway, and which of them it may
    read and write. ``owner`` is as in ``NodeFiles``. All methods may raise ``Unavailable``, and
    ``StaleLease`` when the attempt or the preparation is not this runner's.
    """

    async def bundle(self, owner: AttemptKey | str, digest: str) -> str:
        """The name of the blob with the bundle of this digest, if it is that of the owner's
        version. Raise ``InvalidRequest`` if not, ``VersionUnavailable`` when it is missing.
        """
        ...

    async def environment(self, owner: AttemptKey | str, keys: Sequence[str]) -> EnvironmentPlace:
        """The packed environment of the owner's version, if there is one for one of the ``keys``.
        A missing one is made from now on, if a machine of the installation can.
        """
        ...

    async def page(
        self, key: AttemptKey, sizes: Mapping[PageFileKind, int]
    ) -> Mapping[PageFileKind, str]:
        """The names of the blobs of a page with files of so many bytes. Raise ``InvalidRequest``
        for files that are too large, and when the run has enough pages.
        """
        ...


class EnvironmentPublishing(Protocol):
    """Packing environments for other machines. Only runners beside the stores of the installation
    have it: others run what is packed, with the secrets of their Workers. All methods may raise
    ``Unavailable``.
    """

    async def take(self) -> PreparationOrder | None:
        """Claim the next version whose environment is wanted, for as long as the runner is active;
        None when there is none.
        """
        ...

    async def reuse(self, version_id: str, key: str) -> bool:
        """Let the claimed version have what was packed for another one with this key, if any."""
        ...

    async def store(self, archive: EnvironmentArchive, file: Path) -> None:
        """Store a packed environment, for the version that was claimed. Raise ``DiskShort``."""
        ...

    async def drop(self, digest: str, read_at: float) -> None:
        """Forget an archive whose file this runner has read since ``read_at`` (Unix time) and found
        to be wrong. It is packed again when a machine asks for it.
        """
        ...

    async def failed(
        self, version_id: str, *, soon: bool, failure: InstallFailure | None = None
    ) -> None:
        """Record that there is nothing to pack now. It is tried again when a machine asks later.
        With ``soon``, after a fault that may be over in seconds, machines wait for that. Nodes get
        a ``failure`` until then.
        """
        ...

    async def note_failure(self, version_id: str, failure: InstallFailure) -> None:
        """Let nodes have the failure of a version that this runner has prepared, unless there is an
        archive of it or another runner makes one.
        """
        ...
