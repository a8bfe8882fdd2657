"""The settings of the runner and its sandboxes."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    field_validator,
)

from fyke.model.placement import DEFAULT_POOL
from fyke.settings.marks import MEBIBYTES, OWN_ON_NODES, SECONDS, SHARED, TypeText, Unit


class RunnerSettings(BaseModel):
    """Runner and sandbox."""

    runner_cpus: Annotated[float, Unit("cores")] = Field(default=0, ge=0, examples=["1.5"])
    """How many cores all running attempts together may use. 0: as many as the machine has."""

    runner_memory_mb: Annotated[int, MEBIBYTES] = Field(default=0, ge=0, examples=["4096"])
    """How much memory all running attempts together may use. 0: 80 % of the machine's memory."""

    runner_slots: int = Field(default=64, ge=1, examples=["8"])
    """How many attempts may run at the same time, whatever their size."""

    default_pool: Annotated[str, SHARED] = Field(
        default=DEFAULT_POOL, min_length=1, examples=["workers"]
    )
    """The pool of runs and of joining nodes that do not name one. See docs/how-to/nodes.md."""

    runner_pool: str = Field(default="", examples=["small"])
    """The pool of this machine, if it is not a node. Empty: ``default_pool``. In another pool it
    takes only runs that name that pool.
    """

    runner_labels: Annotated[
        dict[str, str], TypeText("map of names to texts, as JSON in the environment")
    ] = Field(default_factory=dict, examples=['{"disk":"ssd"}'])
    """The labels of this machine, if it is not a node. With the label ``region``, such as
    ``DE``, it takes runs of that region if ``egress_upstreams`` has no proxies for it.
    """

    lease_seconds: Annotated[int, SECONDS, OWN_ON_NODES] = Field(
        default=15, ge=12, le=600, examples=["60"]
    )
    """How long an attempt stays with a runner that does not renew its lease; after that it counts
    as lost. Increase it if a failover of the database takes longer: a runner that is cut off
    stops its Workers 9 seconds before that time, and attempts of a runner that is gone end that
    much later.
    """

    warm_sandboxes: int = Field(default=4, ge=0, le=256, examples=["16"])
    """The greatest number of sandboxes that wait for the next start of a version that was started
    recently. Each uses 5 to 10 MiB of memory, besides ``runner_memory_mb``. 0: none; then every
    start makes its sandbox.
    """

    warm_idle_seconds: Annotated[int, SECONDS] = Field(default=600, ge=1, examples=["60"])
    """How long after the last start of its version a sandbox waits for the next one. A browser
    waits as long after the last start of one.
    """

    attempt_uid_base: int = Field(default=30_000, ge=1, examples=["200000"])
    """The first of the user ids that attempts get when Fyke was started as root. Choose a range
    without users of the machine. If another installation on this machine uses any of them, Fyke
    takes the next free range; `fyke doctor` shows it.
    """

    attempt_uids: int = Field(default=4096, ge=1, examples=["1024"])
    """The number of user ids in that range. Each running attempt has its own, its browser another
    one, and each of the ``warm_sandboxes`` and ``warm_browsers``.
    """

    service_user: str = Field(default="fyke", examples=["scraper"])
    """The system user that server, runner, egress and browser gateway switch to when Fyke was
    started as root. It must exist and must not be root.
    """

    unsafe: bool = Field(default=False, examples=["1"])
    """Whether Workers run although a layer of the sandbox is missing on this machine; the log of
    every run then contains a warning. Use it only for Workers that you wrote yourself, on a
    machine without other data.
    """

    launcher: bool = Field(default=False, examples=["1"])
    """Whether sandboxes are created by the launcher at ``run/launcher.sock`` in the data folder.
    ``fyke up`` sets it when it was started as root. Set it yourself only for a runner that you
    start separately next to a launcher.
    """

    install_seconds: Annotated[int, SECONDS] = Field(default=600, ge=1, examples=["120"])
    """How long one installation of the dependencies of a version may take; after that the run
    fails, unless the package registry did not answer: then it is tried again for two minutes, and
    at least once. Installation runs in a sandbox that reaches the registries through Fyke's own
    proxy, and through ``egress_upstreams`` if ``"*"`` or the default region has one.
    ``HTTPS_PROXY`` and similar variables are not used for it.
    """

    drain_seconds: Annotated[int, SECONDS] = Field(default=30, ge=0, examples=["600"])
    """How long ``fyke up`` waits for running Workers when it stops. After that they are
    stopped and their runs fail; their rows are kept.
    """

    work_mb: Annotated[int, MEBIBYTES] = Field(default=2048, ge=1, examples=["512"])
    """How much disk the files of one attempt may use. An attempt that exceeds it is stopped."""

    disk_floor_mb: Annotated[int, MEBIBYTES] = Field(default=256, ge=0, examples=["1024"])
    """How much must be free on the disk of the data folder for a new run to be accepted. Below it
    a start is answered with 503 and code 5000; running Workers continue and reads work. Starts
    are accepted again as soon as there is space. On a node, which has its own setting, this much
    must be free for it to take attempts. 0 switches the check off.
    """

    max_subtasks: Annotated[int, SHARED] = Field(default=1000, ge=1, examples=["100"])
    """The maximum number of subtasks of a run. A start that needs more is refused.
    """

    failed_rows: Annotated[Literal["hide", "keep"], SHARED] = Field(
        default="hide", examples=["keep"]
    )
    """What happens to the rows of a subtask whose Worker exited with a code other than 0 or by a
    signal. ``hide``: they are stored, but not shown, counted or exported. ``keep``: they are
    shown. Rows are not deleted in either case, and changing the setting shows or hides the rows
    of earlier runs as well; the number ``results`` of a finished run stays the count at its
    end. The page of a run and ``fyke run show`` report the number of hidden rows; a request can
    include them with [``failed_rows``](rows.md#rows-of-a-worker-that-failed).
    """

    @field_validator("lease_seconds", mode="wrap")
    @classmethod
    def _check_lease(cls, value: Any, check: ValidatorFunctionWrapHandler) -> int:
        try:
            seconds: int = check(value)
        except ValidationError:
            raise ValueError(
                "must be a whole number of seconds from 12 to 600, because a runner that is cut "
                "off needs 9 of them to stop its Workers; remove the setting for the default of 15"
            ) from None
        return seconds
