"""The codes. Their texts are stored and appear on the wire, so they never change."""

from __future__ import annotations

from enum import StrEnum


class ReasonCode(StrEnum):
    """Reasons why a run or an attempt ended, why a start was refused, why a run or a queue item
    waits, and why an alert was raised.
    """

    # --- the end of an attempt or a run
    EXIT_CODE = "exit_code"
    NO_BROWSER = "no_browser"  # the Worker asked for one, and exited with an error
    BROWSER_BUSY = "browser_busy"  # the same: no runner had room for the browser in time
    BROWSER_FAILED = "browser_failed"  # the same: it could not be started
    BROWSER_OUT_OF_MEMORY = "browser_out_of_memory"  # the same: it went over its memory
    BROWSER_NOT_DECLARED = "browser_not_declared"  # the same: it declares that it uses none
    SIGNAL = "signal"
    OUT_OF_MEMORY = "out_of_memory"
    TIMEOUT = "timeout"
    ABORTED = "aborted"
    TRAFFIC_CAP = "traffic_cap"
    ROW_CAP = "row_cap"
    DISK_CAP = "disk_cap"
    CHARGE_ESTIMATE = "charge_estimate"  # the highest possible cost of the run was reached
    RUN_CHARGE_CAP = "run_charge_cap"  # max_total_charge of the run
    BALANCE_USED_UP = "balance_used_up"
    ACCOUNT_RUN_CAP = "account_run_cap"  # the account's cap for one run
    ACCOUNT_MONTH_CAP = "account_month_cap"
    BUILDS_NOT_ALLOWED = "builds_not_allowed"
    BAD_REQUIREMENT = "bad_requirement"
    PACKAGES_FAILED = "packages_failed"  # the installer ended with an error
    NO_READY_PACKAGE = "no_ready_package"  # the same, while builds are not allowed
    PACKAGE_NOT_FOUND = "package_not_found"  # a package or a version, in the registry
    PACKAGES_REFUSED = "packages_refused"  # the installed files violate a rule
    BUILD_FAILED = "build_failed"  # of a Go program
    INSTALLER_MISSING = "installer_missing"
    NPM_TOO_OLD = "npm_too_old"
    REGISTRY_LOOPBACK = "registry_loopback"
    REGISTRY_PROXY = "registry_proxy"
    REGISTRY_CREDENTIALS = "registry_credentials"
    REGISTRY_LOGIN = "registry_login"  # a registry has refused it, or asks for one
    REGISTRY_SETTINGS = "registry_settings"  # of a package client; they cannot be used
    INSTALL_TIMEOUT = "install_timeout"
    INSTALL_LIMIT = "install_limit"  # of the disk, the memory or the traffic of an installer
    INSTALL_DISK_FULL = "install_disk_full"
    ISOLATION_MISSING = "isolation_missing"
    LIMITS_MISSING = "limits_missing"
    WORKER_DELETED = "worker_deleted"
    RUNNER_LOST = "runner_lost"
    PLATFORM_STOPPED = "platform_stopped"
    NODE_DRAINED = "node_drained"  # the operator has taken the machine out of service
    INTERNAL = "internal"
    NOT_STARTED = "not_started"  # a fault of the platform, before the Worker's first instruction
    VERSION_MISSING = "version_missing"

    # --- a refused start, or another refused request about a run
    WORKER_NOT_FOUND = "worker_not_found"
    NO_VERSION = "no_version"
    VERSION_UNKNOWN = "version_unknown"
    VERSION_WITHDRAWN = "version_withdrawn"
    VERSION_DRAFT = "version_draft"
    VERSION_FILES_MISSING = "version_files_missing"
    BROWSER_MISSING = "browser_missing"  # a start needs one; also why a run waits
    BROWSER_CHOICE_MISSING = "browser_choice_missing"  # the run asks for another; also why it waits
    BALANCE_TOO_LOW = "balance_too_low"
    MONTH_CAP_REACHED = "month_cap_reached"
    RUN_CAP_TOO_LOW = "run_cap_too_low"  # the account's cap for one run
    TRAFFIC_QUOTA = "traffic_quota"
    PLAN_FULL = "plan_full"
    QUEUE_FULL = "queue_full"
    DISK_FULL = "disk_full"
    RUN_ENDED = "run_ended"
    RUN_NOT_ENDED = "run_not_ended"
    INPUT_REFUSED = "input_refused"

    # --- a run that has not started
    PREPARING = "preparing"
    PLAN = "plan"
    NO_RUNNER = "no_runner"
    NO_NODE = "no_node"  # no machine of its pool takes attempts
    NO_LABELS = "no_labels"  # no machine of its pool has the labels that it asks for
    RUNNER_TROUBLE = "runner_trouble"  # no runner can start a Worker now
    NEXT_TRY = "next_try"  # a fault has returned it to the queue
    RETRY = "retry"  # its attempt was lost with the machine; also an event of a run
    QUEUE = "queue"
    ROOM = "room"

    # --- an item of the run queue
    ACTIVATION = "activation"  # it waits to be activated
    ACTIVATED = "activated"
    RELEASED = "released"
    ITEM_UNKNOWN = "item_unknown"
    ITEM_NOT_WAITING = "item_not_waiting"

    # --- alerts about runs that did not fail
    START_REFUSED = "start_refused"  # of a planned start: there is no run
    ZERO_ROWS = "zero_rows"
    FEWER_ROWS = "fewer_rows"
    SLOWER = "slower"
    FIELD_MISSING = "field_missing"
    BUDGET_EXCEEDED = "budget_exceeded"


ENDS = tuple(ReasonCode)[: tuple(ReasonCode).index(ReasonCode.VERSION_MISSING) + 1]


class DetailCode(StrEnum):
    """Violated rules of an installation, limits of export formats, and faults of the platform."""

    # --- requirements.txt, package.json and the lock file
    FILE_TOO_LARGE = "file_too_large"
    FILE_NOT_UTF8 = "file_not_utf8"
    FILE_NOT_JSON = "file_not_json"
    OPTION_REFUSED = "option_refused"
    ADDRESS_REFUSED = "address_refused"  # of a package: a URL or a path
    NOT_A_REQUIREMENT = "not_a_requirement"
    ROOT_NOT_OBJECT = "root_not_object"
    SECTION_NOT_OBJECT = "section_not_object"
    PACKAGE_NAME_INVALID = "package_name_invalid"
    VERSION_REFUSED = "version_refused"  # not from the registry
    LOCKED_LINK = "locked_link"
    LOCKED_OUTSIDE = "locked_outside"  # of node_modules
    LOCKED_ADDRESS = "locked_address"

    # --- the result of an installer
    TOOL_EXIT = "tool_exit"  # an error exit without output
    FILES_TOO_DEEP = "files_too_deep"
    FILES_LINK = "files_link"
    FILES_TOO_LARGE = "files_too_large"
    FILES_TOO_MANY = "files_too_many"
    FILES_NONE = "files_none"
    FILES_NOT_A_FOLDER = "files_not_a_folder"

    # --- a program that was built
    SHARED_LIBRARIES = "shared_libraries"

    # --- a file of rows
    SHEET_ROWS = "sheet_rows"
    SHEET_COLUMNS = "sheet_columns"
    CELL_LENGTH = "cell_length"

    # --- a fault before the Worker's first instruction
    SANDBOX_FAILED = "sandbox_failed"
    DISK_SHORT = "disk_short"  # less is free than a sandbox needs
    DISK_LOW = "disk_low"  # of a machine that takes no attempts therefore
    DISK_USED_UP = "disk_used_up"  # a write failed
    EGRESS_AWAY = "egress_away"
    STORE_AWAY = "store_away"
    BLOBS_AWAY = "blobs_away"
    REGISTRY_AWAY = "registry_away"  # of packages
    RUNNER_LOST_EARLY = "runner_lost_early"
    MACHINE_LOST = "machine_lost"  # while the Worker was running; so are the next two
    NODE_DRAINED = "node_drained"
    PLATFORM_STOPPED = "platform_stopped"
    UNFORESEEN = "unforeseen"


class HintCode(StrEnum):
    """Advice after a run that failed or returned no rows."""

    NO_ROWS = "no_rows"
    ROWS_NOT_PUSHED = "rows_not_pushed"  # they are in files of the Worker
    PARTLY_FAILED = "partly_failed"
    EXIT_CODE = "exit_code"
    NO_BROWSER = "no_browser"
    BROWSER_BUSY = "browser_busy"
    BROWSER_FAILED = "browser_failed"
    BROWSER_OUT_OF_MEMORY = "browser_out_of_memory"
    BROWSER_NOT_DECLARED = "browser_not_declared"
    CRASHED = "crashed"  # a signal of a crash in native code
    KILLED = "killed"  # SIGKILL, not from the platform
    SIGNAL = "signal"  # any other signal
    OUT_OF_MEMORY = "out_of_memory"
    TIMEOUT = "timeout"
    ABORTED = "aborted"
    TRAFFIC_CAP = "traffic_cap"
    CHARGE_CAP = "charge_cap"
    BALANCE_USED_UP = "balance_used_up"
    ROW_CAP = "row_cap"
    DISK_CAP = "disk_cap"
    INSTALL_FAILED = "install_failed"
    PACKAGE_NOT_FOUND = "package_not_found"
    REGISTRY_AWAY = "registry_away"
    INSTALL_TIMEOUT = "install_timeout"
    INSTALL_LIMIT = "install_limit"
    REQUIREMENT_REFUSED = "requirement_refused"  # by a rule of Fyke, not by the installer
    BUILDS_NOT_ALLOWED = "builds_not_allowed"
    INSTALLER_NOT_READY = "installer_not_ready"
    ISOLATION_REFUSED = "isolation_refused"
    LIMITS_MISSING = "limits_missing"
    WORKER_DELETED = "worker_deleted"
    RUNNER_LOST = "runner_lost"
    INTERNAL = "internal"
    # --- based on refused sites and on the last error lines of the log
    UNDECLARED_SITES = "undeclared_sites"
    REFUSED_SITES = "refused_sites"
    MODULE_MISSING = "module_missing"
    BLOCKED = "blocked"
    UNKNOWN_HOST = "unknown_host"
    UNREACHABLE = "unreachable"
    ELEMENT_MISSING = "element_missing"
    PAGE_MISSING = "page_missing"
    OTHER_PAGE = "other_page"
