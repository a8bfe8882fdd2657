"""The settings of browsers."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from fyke.settings.marks import MEBIBYTES, OWN_ON_NODES, SHARED, Unit


class BrowserSettings(BaseModel):
    """Browsers.

    A Worker that asks for a browser gets one of its own, in a sandbox beside its own. See
    docs/how-to/limits-and-prices.md for what it costs.
    """

    browser: Literal["auto", "off"] = Field(default="auto", examples=["off"])
    """``auto``: Workers get a browser where one is installed on the runner's machine when Fyke
    starts; ``fyke doctor`` shows it. ``off``: each request for a browser is answered with 503.
    """

    browser_program: Literal["headless-shell", "chromium"] = Field(
        default="headless-shell", examples=["chromium"]
    )
    """The program of the browser, from the packages ``chromium-headless-shell`` or ``chromium``.
    The first needs half the memory and starts twice as fast.
    """

    browser_memory_mb: Annotated[int, MEBIBYTES, OWN_ON_NODES] = Field(
        default=1024, ge=128, examples=["2048"]
    )
    """How much memory the browser of one attempt may use. A page that needs more crashes; the
    browser and the Worker continue.
    """

    browser_memory_max_mb: Annotated[int, MEBIBYTES, OWN_ON_NODES] = Field(
        default=4096, ge=128, examples=["8192"]
    )
    """The most memory that a start may ask for with ``browser_memory``, in place of
    ``browser_memory_mb``.
    """

    browser_cpus: Annotated[float, Unit("cores"), OWN_ON_NODES] = Field(
        default=1, ge=0.1, le=64, examples=["0.5"]
    )
    """How much CPU the browser of one attempt may use."""

    browser_processes: int = Field(default=1024, ge=64, examples=["2048"])
    """How many processes and threads the browser of one attempt may have: about 60 with one page,
    and eight to ten for each further one.
    """

    browser_tmp_mb: Annotated[int, MEBIBYTES] = Field(default=256, ge=16, examples=["512"])
    """How much the profile of a browser, with its downloads, and its temporary files may each take.
    Both are in memory and count in ``browser_memory_mb``.
    """

    browser_instances: int = Field(default=4, ge=1, le=16, examples=["8"])
    """How many launched browsers and Selenium sessions a Worker may have at the same time, in
    addition to the browser to which it connects. All are in one sandbox and share its limits; each
    takes about 60 of ``browser_processes``.
    """

    browser_cache_mb: Annotated[int, MEBIBYTES] = Field(default=32, ge=0, le=64, examples=["0"])
    """How much of its HTTP cache a browser leaves for the next ones of the same run, if the run has
    several subtasks: public files only, and at most a quarter of ``browser_tmp_mb``. The cache is
    deleted after the run. 0: every browser starts with an empty cache.
    """

    browser_reserve_percent: Annotated[int, Unit("%")] = Field(
        default=15, ge=0, le=100, examples=["50"]
    )
    """The part of ``browser_cpus`` and ``browser_memory_mb`` that an attempt with a browser takes
    from ``runner_cpus`` and ``runner_memory_mb``: browsers rarely need their full limits.
    Prices are for the whole limits.
    """

    runner_browsers: int = Field(default=0, ge=0, examples=["6"])
    """How many attempts with a browser may run at the same time on this machine. 0: three for each
    of ``runner_cpus``, at most one for each 640 MiB of ``runner_memory_mb``. No browser is
    started while less than 400 MiB of the machine's memory are available.
    """

    warm_browsers: int = Field(default=1, ge=0, le=64, examples=["4"])
    """How many browsers may wait for the next connection that needs one. As many wait as were
    started for attempts within ``warm_idle_seconds``, so the second one waits after the second
    start. Each uses about 100 MiB of memory in addition to ``runner_memory_mb``, and none waits
    while less than 1 GiB of the machine's memory is available. 0: every browser is started when it
    is needed.
    """

    browser_keep: Literal["failed", "always", "never"] = Field(default="failed", examples=["never"])
    """Of which attempts the last page of the browser is kept, with a picture, its HTML, requests
    and console: of those that do not succeed, of all, or of none. Secrets are masked, but not in
    the picture; see docs/how-to/secrets.md. Unless it is ``never``, a command that closes a page
    or a browser may take up to 0.3 seconds longer.
    """

    browser_keep_days: Annotated[int, Unit("days"), SHARED] = Field(
        default=7, ge=1, examples=["30"]
    )
    """How long last pages are kept, at most as long as their runs (``keep_days``)."""

    browser_live: Annotated[bool, SHARED] = Field(default=True, examples=["false"])
    """Whether users can watch the browser of a running run on its page, and owners can take it
    over. See [Watch a browser](../how-to/watch-a-browser.md).
    """
