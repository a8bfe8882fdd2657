"""How a run of each misbehaving Worker must end, for three languages."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

SUCCEEDED, FAILED = 3, 4
SHORT = {"execute_limit_time_seconds": 2}
TIMEOUT = "Timeout: the run went over its execute_limit_time_seconds of 2 s"
OUT_OF_MEMORY = "Out of memory: the Worker went over its 512 MB"
DISK = "Stopped: the Worker's files went over 64 MB"
SIGNAL = "The Worker was ended by signal"
CODE = "The Worker exited with code"
TERM_SECONDS = 5  # between SIGTERM and SIGKILL
# Until 16,384 empty files exist. ext4 creates only some hundred a second for a while after many
# files were removed, because it passes over inodes that were freed recently.
FILES_SECONDS = 180


@dataclass(frozen=True)
class Behaviour:
    """``err_msg`` is a part of the expected message of the run, or a choice of several. ``row`` is
    the last row, if it is given. ``seconds`` bounds the time from start to end. ``log`` must be in
    the log. ``quick`` ones run in the ordinary suite, ``hard`` ones only where the kernel limits
    memory: nothing else counts memory that belongs to files.
    """

    name: str
    status: int = SUCCEEDED
    err_msg: str | tuple[str, ...] = ""
    rows: int = 1
    row: dict[str, Any] | None = None
    seconds: float = 30
    quick: bool = False
    hard: bool = False
    log: str = ""
    system: dict[str, Any] = field(default_factory=dict)


def well(name: str, **more: Any) -> Behaviour:
    return Behaviour(name, **more)


def fails(name: str, err_msg: str | tuple[str, ...], **more: Any) -> Behaviour:
    return Behaviour(name, FAILED, err_msg, **more)


def hides(name: str, err_msg: str | tuple[str, ...], **more: Any) -> Behaviour:
    """The Worker itself reported a failure, so its rows are hidden."""
    return Behaviour(name, FAILED, err_msg, rows=0, **more)


def stays(name: str, **more: Any) -> Behaviour:
    return Behaviour(name, FAILED, TIMEOUT, system=SHORT, **more)


NONE_LEFT = {"error": "ENOSPC", "mib": 64}
CLOSED_IN = {"met": ["ECONNREFUSED", "ENETUNREACH"]}

PYTHON = [
    stays("stops_itself"),
    stays("bombs_with_threads"),
    well("children_hold_the_output", quick=True),
    well("makes_zombies"),
    stays("spins"),
    stays("spins_in_children"),
    well("raises_in_a_thread", log="ValueError: in a thread"),
    hides("aborts", f"{SIGNAL} 6"),
    hides("segfaults", f"{SIGNAL} 11"),
    hides("kills_itself_hard", f"{SIGNAL} 9", quick=True),
    hides("kills_all_it_can", f"{SIGNAL} 15", quick=True),
    hides("exits_with_255", f"{CODE} 255"),
    well("exits_with_256"),
    hides("exits_with_minus_1", f"{CODE} 255"),
    hides("exits_as_if_out_of_memory", (f"{SIGNAL} 9", f"{CODE} 137")),
    hides("recurses", f"{CODE} 1: RecursionError"),
    well("changes_everything_about_itself", row={"refused": True}, quick=True),
    well("locks_memory"),
    well("starts_with_a_huge_environment", row={"error": "E2BIG"}),
    well("forks_in_a_chain"),
    stays("waits_on_a_pipe_of_its_own"),
    well("listens_on_every_port", row={"met": ["EADDRINUSE"] * 4}, quick=True),
    fails("eats_memory_slowly", OUT_OF_MEMORY),
    fails("eats_memory_in_a_child", OUT_OF_MEMORY),
    fails("maps_memory", OUT_OF_MEMORY),
    well("reserves_memory", row={"areas": 32}),
    well("fills_tmp", row=NONE_LEFT, quick=True),
    well("fills_shared_memory", row=NONE_LEFT | {"mib": 16}),
    well("fills_the_page_cache"),
    fails("makes_many_files", DISK, seconds=FILES_SECONDS),
    fails("makes_many_folders", DISK, seconds=FILES_SECONDS),
    fails("makes_deep_folders", DISK),
    fails("fills_a_folder_that_cannot_be_read", DISK),
    fails("fills_a_file_without_a_name", DISK),
    well("makes_a_sparse_file", row={"size": 2**30}),
    well("makes_a_file_that_is_too_large", row={"error": "EFBIG"}),
    hides("is_killed_for_a_file_that_is_too_large", f"{SIGNAL} 25"),
    well("opens_all_descriptors", row={"error": "EMFILE", "many": True}),
    well("replaces_its_own_files"),
    well("leaves_its_folder"),
    well("leaves_links", quick=True),
    fails("eats_memory_through_files", OUT_OF_MEMORY, hard=True),
    well("floods_without_a_line_end"),
    well("floods_without_a_word"),
    well("prints_control_bytes"),
    well("closes_its_output"),
    stays("prints_after_the_signal", log="the last words"),
    stays("pushes_after_the_signal", rows=2, quick=True),
    stays("pushes_on_and_on_after_the_signal", rows=-1),
    well("sends_garbage"),
    well("calls_with_too_much", row={"met": True}),
    well("connects_ten_thousand_times", seconds=120),
    well("holds_connections", rows=2),
    well("pushes_nonsense", rows=-1),
    well("knocks_at_the_machine", row={"met": ["ConnectionRefusedError", "OSError"]}),
    well("speaks_to_the_proxy_in_riddles"),
]

NODE = [
    stays("never_exits"),
    stays("ignores_sigterm"),
    stays("stops_itself"),
    stays("blocks_its_loop"),
    fails("fork_bomb", (TIMEOUT, OUT_OF_MEMORY), system=SHORT),
    fails("bombs_with_threads", (TIMEOUT, OUT_OF_MEMORY, CODE, SIGNAL), rows=-1, system=SHORT),
    well("leaves_daemons", quick=True),
    well("children_hold_the_output", quick=True),
    stays("spins_in_children"),
    well("exits_at_once", rows=0),
    hides("exits_with_3", f"{CODE} 3: the site said no", quick=True),
    hides("exits_with_255", f"{CODE} 255"),
    hides("exits_with_minus_1", f"{CODE} 255"),
    hides("exits_as_if_out_of_memory", (f"{SIGNAL} 9", f"{CODE} 137")),
    hides("throws", f"{CODE} 1"),
    hides("throws_later", f"{CODE} 1"),
    hides("rejects_unheard", f"{CODE} 1"),
    hides("recurses", f"{CODE} 1"),
    hides("aborts", f"{SIGNAL} 6"),
    hides("kills_itself_hard", f"{SIGNAL} 9"),
    hides("segfaults", f"{SIGNAL} 11"),
    hides("kills_all_it_can", f"{SIGNAL} 15", quick=True),
    well("throws_in_a_thread", quick=True),
    well("starts_with_a_huge_environment", row={"error": "E2BIG"}),
    hides("requires_what_is_not_there", f"{CODE} 1", quick=True),
    fails("eats_memory", OUT_OF_MEMORY),
    fails("eats_memory_slowly", OUT_OF_MEMORY),
    fails("eats_its_heap", (OUT_OF_MEMORY, f"{SIGNAL} 6", f"{CODE} 134"), rows=-1, seconds=60),
    fails("eats_memory_in_a_child", OUT_OF_MEMORY),
    fails("fills_the_disk", DISK),
    well("fills_tmp", row=NONE_LEFT, quick=True),
    well("fills_shared_memory", row=NONE_LEFT | {"mib": 16}),
    fails("makes_many_files", DISK, seconds=FILES_SECONDS),
    fails("makes_deep_folders", DISK),
    fails("fills_a_file_without_a_name", DISK),
    well("makes_a_file_that_is_too_large", row={"error": "EFBIG"}),
    well("opens_all_descriptors", row={"error": "EMFILE", "many": True}),
    well("replaces_its_own_files"),
    well("leaves_links"),
    well("floods_without_a_line_end"),
    well("floods_the_log"),
    well("prints_control_bytes"),
    well("closes_its_output", quick=True),
    stays("prints_after_the_signal", log="the last words"),
    stays("pushes_after_the_signal", rows=2),
    well("sends_garbage"),
    well("connects_ten_thousand_times", seconds=120),
    well("calls_with_too_much", row={"met": True}),
    well("pushes_a_big_row", rows=2, row={"refused": True}),
    well("pushes_nonsense", rows=-1),
    well("pushes_without_waiting", rows=-1),
    well("knocks_at_the_machine", row=CLOSED_IN, quick=True),
]

GO = [
    stays("never_exits"),
    stays("ignores_sigterm"),
    stays("stops_itself"),
    stays("deadlocks"),
    # its runtime aborts when it cannot create a thread
    fails("fork_bomb", (TIMEOUT, OUT_OF_MEMORY, f"{CODE} 2"), rows=-1, system=SHORT),
    fails("bombs_with_threads", (TIMEOUT, f"{CODE} 2"), rows=-1, system=SHORT),
    well("makes_a_million_goroutines", seconds=60),
    well("leaves_daemons", quick=True),
    well("children_hold_the_output", quick=True),
    stays("spins"),
    stays("spins_in_children"),
    well("makes_zombies"),
    well("exits_at_once", rows=0),
    hides("exits_with_3", f"{CODE} 3: the site said no", quick=True),
    hides("exits_with_255", f"{CODE} 255"),
    well("exits_with_256"),
    hides("exits_as_if_out_of_memory", (f"{SIGNAL} 9", f"{CODE} 137")),
    hides("panics", f"{CODE} 2", quick=True),
    hides("panics_elsewhere", f"{CODE} 2"),
    hides("dereferences_nothing", f"{CODE} 2"),
    fails("recurses", (f"{CODE} 2", OUT_OF_MEMORY), rows=-1),
    hides("aborts", f"{SIGNAL} 6"),
    hides("segfaults", f"{SIGNAL} 11"),
    hides("kills_itself_hard", f"{SIGNAL} 9"),
    hides("kills_all_it_can", f"{SIGNAL} 15", quick=True),
    well("starts_with_a_huge_environment", row={"too_long": True}),
    well("changes_its_priority", row={"refused": True}, quick=True),
    fails("eats_memory", OUT_OF_MEMORY),
    fails("eats_memory_slowly", OUT_OF_MEMORY),
    fails("eats_memory_in_a_child", OUT_OF_MEMORY),
    fails("maps_memory", OUT_OF_MEMORY),
    well("reserves_memory"),
    well("locks_memory"),
    fails("fills_the_disk", DISK),
    well("fills_tmp", row=NONE_LEFT, quick=True),
    well("fills_shared_memory", row=NONE_LEFT | {"mib": 16}),
    fails("makes_many_files", DISK, seconds=FILES_SECONDS),
    fails("makes_deep_folders", DISK),
    fails("fills_a_file_without_a_name", DISK),
    well("makes_a_file_that_is_too_large", row={"error": "EFBIG"}),
    well("opens_all_descriptors", row={"error": "EMFILE", "many": True}),
    well("replaces_its_own_files"),
    well("leaves_links", quick=True),
    well("floods_the_log"),
    well("floods_without_a_line_end"),
    well("prints_control_bytes"),
    well("closes_its_output"),
    stays("prints_after_the_signal", log="the last words"),
    stays("pushes_after_the_signal", rows=2),
    well("sends_garbage"),
    well("connects_ten_thousand_times", seconds=120),
    well("calls_with_too_much", row={"met": True}),
    well("pushes_a_big_row", rows=2, row={"refused": True}),
    well("pushes_nonsense", rows=-1),
    well("knocks_at_the_machine", row=CLOSED_IN, quick=True),
    fails(
        "pushes_too_many_rows",
        "Stopped: the run reached the limit of 1,000,000 rows",
        rows=1_000_000,
        seconds=600,
    ),
    fails(
        "pushes_too_many_bytes",
        "Stopped: the run reached the limit of 1 GiB of rows",
        rows=-1,
        seconds=300,
    ),
]
WORKS = {"works": True}
TOO_OFTEN = "the attempt has started 20 browsers within a minute"
BROWSER = [
    well("never_closes", row={"pages": True}, quick=True),
    well("closes_twice", row=WORKS, quick=True),
    well("kills_its_browser", row=WORKS | {"lived": True}, quick=True),
    well("crashes_its_browser", row={"allowed": 20, "status": 503, "why": TOO_OFTEN}, seconds=120),
    well("crashes_its_gpu_process", row=WORKS, seconds=60),
    well("launches_ten", row={"launched": 4, "refused": 6}, seconds=60),
    well("leaves_a_launched_one", row={"first": 404, "second": 200}, seconds=60),
    well("leaves_sessions", row={"created": 4, "last": 500}, seconds=90),
    stays("connects_after_the_signal", rows=-1, quick=True),
    well("opens_500_tabs", row=WORKS | {"many": True}, seconds=120),
    well("page_eats_memory", row=WORKS | {"crashed": True}, seconds=60, hard=True),
    well("thread_eats_memory", row=WORKS | {"crashed": True}, seconds=60, hard=True),
    well("spins_in_eight_tabs", row=WORKS, seconds=90),
    well(
        "redirects_without_end",
        row=WORKS | {"error": "net::ERR_TOO_MANY_REDIRECTS"},
        quick=True,
    ),
    well(
        "downloads_without_end",
        row=WORKS | {"state": "canceled"},
        log="A download of the browser was canceled",
        seconds=90,
    ),
    well("fills_tmp", row=WORKS | {"states": ["canceled"] * 3}, seconds=120),
    well(
        "runs_a_download",
        row={"state": "completed", "refused": 2, "launched": [7] * 6},
        log="A page has started a download. ",
        seconds=120,
    ),
    well("alerts_without_end", row=WORKS | {"dialogs": 50}, seconds=60),
    well("opens_windows_without_end", row=WORKS, seconds=120),
    well("leaves_a_service_worker", row=WORKS, quick=True),
    well("opens_200_connections", row=WORKS | {"opened": 64, "refused": 136}, seconds=60),
    well("sends_half_a_head", row=WORKS | {"ended": 10}, seconds=60),
    well("sends_64_mib", seconds=90),
    well("sends_a_frame_without_mask", row=WORKS | {"closed": True}, quick=True),
    well("never_reads", row=WORKS | {"sent": True}, seconds=90),
]
BEHAVIOURS = {"python": PYTHON, "node": NODE, "go": GO}
