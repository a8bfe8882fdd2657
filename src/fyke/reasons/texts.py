"""The catalogue: one entry for each code.

A reason has one or several forms, the most detailed first; the first form whose parameters all
exist is used. Ends begin with a capital letter; refusals and waits do not, because they are used
after other text. No full stop at the end. ``script/translate`` collects the texts inside ``_``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fyke.reasons.codes import DetailCode, ReasonCode

Forms = tuple[str, ...]


def _(message: str) -> str:
    """Mark for translation; the caller of ``sentence`` chooses the language."""
    return message


ENDS: Mapping[ReasonCode, Forms] = {
    ReasonCode.EXIT_CODE: (
        _("The Worker exited with code %(exit_code)s: %(last_words)s"),
        _("The Worker exited with code %(exit_code)s"),
    ),
    ReasonCode.NO_BROWSER: (
        _("The Worker asked for a browser, and this Fyke has none; it exited with code "
          "%(exit_code)s: %(last_words)s"),
        _("The Worker asked for a browser, and this Fyke has none; it exited with code "
          "%(exit_code)s"),
    ),
    ReasonCode.BROWSER_NOT_DECLARED: (
        _("The Worker asked for a browser, but its fyke.json declares that it uses none; it exited "
          "with code %(exit_code)s: %(last_words)s"),
        _("The Worker asked for a browser, but its fyke.json declares that it uses none; it exited "
          "with code %(exit_code)s"),
    ),
    ReasonCode.BROWSER_BUSY: (
        _("The Worker asked for a browser, and the machine had only %(free_mb)s of the "
          "%(needed_mb)s MB of free memory for it after %(seconds)s s; it exited with code "
          "%(exit_code)s: %(last_words)s"),
        _("The Worker asked for a browser, and the machine had only %(free_mb)s of the "
          "%(needed_mb)s MB of free memory for it after %(seconds)s s; it exited with code "
          "%(exit_code)s"),
        _("The Worker asked for a browser, and none was free within %(seconds)s s; it exited with "
          "code %(exit_code)s: %(last_words)s"),
        _("The Worker asked for a browser, and none was free within %(seconds)s s; it exited with "
          "code %(exit_code)s"),
    ),
    ReasonCode.BROWSER_FAILED: (
        _("The Worker asked for a browser and got none: %(problem)s. It exited with code "
          "%(exit_code)s: %(last_words)s"),
        _("The Worker asked for a browser and got none: %(problem)s. It exited with code "
          "%(exit_code)s"),
    ),
    ReasonCode.BROWSER_OUT_OF_MEMORY: (
        _("The browser went over its %(memory_mb)s MB; the Worker exited with code %(exit_code)s: "
          "%(last_words)s"),
        _("The browser went over its %(memory_mb)s MB; the Worker exited with code %(exit_code)s"),
    ),
    ReasonCode.SIGNAL: (
        _("The Worker was ended by signal %(signal)s: %(last_words)s"),
        _("The Worker was ended by signal %(signal)s"),
    ),
    ReasonCode.OUT_OF_MEMORY: (_("Out of memory: the Worker went over its %(memory_mb)s MB"),),
    ReasonCode.TIMEOUT: (
        _("Timeout: the run went over its execute_limit_time_seconds of %(seconds)s s"),
    ),
    ReasonCode.ABORTED: (_("Aborted on request"),),
    ReasonCode.TRAFFIC_CAP: (
        _("Stopped: max_total_traffic of %(traffic_bytes)s MB was reached"),
    ),
    ReasonCode.ROW_CAP: (
        _("Stopped: the run reached the limit of %(max_rows)s rows"),
        _("Stopped: the run reached the limit of %(max_bytes)s of rows"),
    ),
    ReasonCode.DISK_CAP: (_("Stopped: the Worker's files went over %(limit_mb)s MB"),),
    ReasonCode.CHARGE_ESTIMATE: (
        _("Stopped: the %(limit_micros)s USD that the run could cost at most were used up"),
    ),
    ReasonCode.RUN_CHARGE_CAP: (
        _("Stopped: the cap of %(limit_micros)s USD on what this run may cost was reached"),
    ),
    ReasonCode.BALANCE_USED_UP: (
        _("Stopped: the %(limit_micros)s USD that the account had free at the start were used up"),
    ),
    ReasonCode.ACCOUNT_RUN_CAP: (
        _("Stopped: the account's cap for one run was lowered to %(lowered_to_micros)s USD, which "
          "was reached"),
        _("Stopped: the account's cap of %(limit_micros)s USD for one run was reached"),
    ),
    ReasonCode.ACCOUNT_MONTH_CAP: (
        _("Stopped: the account's cap for the month was lowered to %(lowered_to_micros)s USD, "
          "which was reached"),
        _("Stopped: the %(limit_micros)s USD that were left of the account's cap for the month "
          "were used up"),
    ),
    ReasonCode.WORKER_DELETED: (_("The Worker was deleted while the run waited"),),
    ReasonCode.RUNNER_LOST: (
        _("The runner was lost while the Worker was running; its rows are kept"),
    ),
    ReasonCode.PLATFORM_STOPPED: (
        _("The platform was stopped while the Worker was running; its rows are kept"),
    ),
    ReasonCode.NODE_DRAINED: (
        _("The machine was taken out of service while the Worker was running; its rows are kept"),
    ),
    ReasonCode.INTERNAL: (_("The platform failed, not the Worker: %(detail)s"),),
    ReasonCode.NOT_STARTED: (
        _("The Worker could not be started, %(times)s times in a row: %(detail)s"),
        _("The Worker could not be started: %(detail)s"),
    ),
    ReasonCode.VERSION_MISSING: (
        _("The platform failed, not the Worker: the version of this run no longer exists"),
    ),
    ReasonCode.ISOLATION_MISSING: (
        _("Not run: the sandbox on this machine is at level %(level)s, because the isolation check "
          "'%(check)s' failed: %(seen)s; see fyke doctor"),
        _("Not run: the sandbox on this machine is at level %(level)s: %(detail)s; see "
          "fyke doctor"),
    ),
    ReasonCode.LIMITS_MISSING: (
        _("Not run: the sandbox on this machine is at level no-limits, which is for the operator's "
          "own Workers only, because the isolation check '%(check)s' failed: %(seen)s; see fyke "
          "doctor"),
        _("Not run: the sandbox on this machine is at level no-limits, which is for the operator's "
          "own Workers only: %(detail)s; see fyke doctor"),
    ),
}  # fmt: skip

INSTALLING: Mapping[ReasonCode, Forms] = {
    ReasonCode.BUILDS_NOT_ALLOWED: (
        _("The dependencies could not be installed: this version asks for install: build in "
          "fyke.json, which runs code of the packages while they are installed, and the operator "
          "of this installation has not allowed that for this Worker (fyke worker builds WORKER "
          "--allow). Ask for it, or remove it and use packages with a ready-made wheel and without "
          "install scripts"),
    ),
    ReasonCode.BAD_REQUIREMENT: (
        _("The dependencies could not be installed: %(file)s line %(line)s: %(detail)s"),
        _("The dependencies could not be installed: %(file)s: %(detail)s"),
        _("The dependencies could not be installed: %(detail)s"),
    ),
    ReasonCode.PACKAGES_FAILED: (_("The dependencies could not be installed: %(detail)s"),),
    ReasonCode.NO_READY_PACKAGE: (
        _("The dependencies could not be installed: %(detail)s (only packages with a ready-made "
          "wheel for this platform are installed, unless fyke.json says install: build and the "
          "operator allows it)"),
    ),
    ReasonCode.PACKAGE_NOT_FOUND: (
        _("The dependencies could not be installed: the package registry does not have this "
          "package or version: %(detail)s"),
    ),
    ReasonCode.PACKAGES_REFUSED: (
        _("The dependencies could not be installed: their files break a rule: %(detail)s"),
    ),
    ReasonCode.BUILD_FAILED: (_("The program could not be built: %(detail)s"),),
    ReasonCode.INSTALLER_MISSING: (
        _("The dependencies could not be installed: %(program)s is not installed on this machine, "
          "or does not answer. Build the program before it is published: %(command)s"),
        _("The dependencies could not be installed: %(program)s is not installed on this machine, "
          "or does not answer"),
    ),
    ReasonCode.NPM_TOO_OLD: (
        _("The dependencies could not be installed: npm here has a login for a registry, npm "
          "%(version)s fetches any address that a package names, and %(stale_lock)s is out of step "
          "with package.json. Run npm install and publish both files, or have npm %(oldest)s or "
          "newer installed here"),
        _("The dependencies could not be installed: npm here has a login for a registry, and npm "
          "%(version)s fetches any address that a package names. Add a package-lock.json (npm "
          "install --package-lock-only), or have npm %(oldest)s or newer installed here"),
    ),
    ReasonCode.REGISTRY_LOOPBACK: (
        _("The program could not be built: GOPROXY of this machine names %(host)s, which Go looks "
          "for inside the sandbox. Give it another name of the machine, such as its host name"),
    ),
    ReasonCode.REGISTRY_PROXY: (
        _("The dependencies could not be installed: %(setting)s of this machine names a proxy for "
          "package clients. They run in a sandbox and go out as Workers do: name that proxy in "
          'FYKE_EGRESS_UPSTREAMS (for "*"), or take the registry out of it with NO_PROXY'),
    ),
    ReasonCode.REGISTRY_CREDENTIALS: (
        _("The dependencies could not be installed: packages that run code while they are "
          "installed would see the credentials of %(registries)s. Remove install: build from "
          "fyke.json, or let the machine use a registry that asks for none"),
    ),
    ReasonCode.REGISTRY_LOGIN: (
        _("The dependencies could not be installed: the package registry has refused the login of "
          "this machine, or asks for one: %(detail)s. Set it for the user that runs Fyke; see "
          "fyke doctor"),
    ),
    ReasonCode.REGISTRY_SETTINGS: (
        _("The dependencies could not be installed: %(source)s of this machine cannot be used: "
          "%(detail)s. Correct it; without it, packages could come from another registry"),
    ),
    ReasonCode.INSTALL_TIMEOUT: (
        _("The dependencies could not be installed within %(seconds)s seconds; use fewer packages "
          "or pin their versions"),
    ),
    ReasonCode.INSTALL_LIMIT: (
        _("The dependencies could not be installed: they take more than the allowed "
          "%(disk_bytes)s; use fewer or smaller packages"),
        _("The dependencies could not be installed: the installer took more than %(memory_bytes)s "
          "of memory"),
        _("The dependencies could not be installed: their download is larger than allowed; use "
          "fewer packages"),
    ),
    ReasonCode.INSTALL_DISK_FULL: (
        _("The dependencies could not be installed: the disk is full; free some space on this "
          "machine, then run it again"),
    ),
}  # fmt: skip

REFUSALS: Mapping[ReasonCode, Forms] = {
    ReasonCode.WORKER_NOT_FOUND: (_("the Worker does not exist"),),
    ReasonCode.NO_VERSION: (_("no version is published"),),
    ReasonCode.VERSION_UNKNOWN: (
        _("version '%(number)s' does not exist; the latest is %(latest)s"),
        _("version '%(number)s' does not exist; none is published"),
    ),
    ReasonCode.VERSION_WITHDRAWN: (
        _("version %(number)s was withdrawn (%(notice)s); the latest is %(latest)s"),
        _("version %(number)s was withdrawn (%(notice)s)"),
        _("version %(number)s was withdrawn; the latest is %(latest)s"),
        _("version %(number)s was withdrawn"),
    ),
    ReasonCode.VERSION_DRAFT: (_("version %(number)s is a draft; publish it first"),),
    ReasonCode.VERSION_FILES_MISSING: (
        _("the files of version %(number)s were changed: their SHA-256 is %(sha256)s; publish "
          "them again"),
        _("the files of version %(number)s are missing; publish them again"),
    ),
    ReasonCode.BALANCE_TOO_LOW: (
        _("the run may cost up to %(needed_micros)s USD and %(free_micros)s USD are free, because "
          "run %(holder)s holds %(held_micros)s USD; wait for its end, credit the account, or "
          "lower max_total_charge, max_total_traffic, the time limit or the device of either"),
        _("the run may cost up to %(needed_micros)s USD and %(free_micros)s USD are free; credit "
          "the account, or lower max_total_charge, max_total_traffic, the time limit or the "
          "device"),
    ),
    ReasonCode.MONTH_CAP_REACHED: (
        _("the account's cap for %(month)s is %(cap_micros)s USD; %(spent_micros)s are spent and "
          "%(held_micros)s are set aside for active runs, which leaves less than the "
          "%(needed_micros)s for the first 10 seconds of this run. Raise month_cap, or wait until "
          "%(next)s (%(zone)s), or until a run has ended"),
        _("the account's cap for %(month)s is %(cap_micros)s USD; %(spent_micros)s are spent, "
          "which leaves less than the %(needed_micros)s for the first 10 seconds of this run. "
          "Raise month_cap, or wait until %(next)s (%(zone)s)"),
        _("the account's cap for %(month)s is %(cap_micros)s USD; %(spent_micros)s are spent and "
          "%(held_micros)s are set aside for active runs. Raise month_cap, or wait until %(next)s "
          "(%(zone)s), or until a run has ended"),
        _("the account's cap for %(month)s is %(cap_micros)s USD; %(spent_micros)s are spent. "
          "Raise month_cap, or wait until %(next)s (%(zone)s)"),
    ),
    ReasonCode.RUN_CAP_TOO_LOW: (
        _("the account's cap for one run is %(cap_micros)s USD, and the first 10 seconds of this "
          "run cost %(needed_micros)s. Raise run_cap, or choose a smaller device"),
    ),
    ReasonCode.TRAFFIC_QUOTA: (_("the account's traffic quota is used up or has expired"),),
    ReasonCode.PLAN_FULL: (
        _("the plan %(plan)s allows %(most)s runs at once, and as many are active; wait until one "
          "of them has ended, or put the run into the run queue"),
    ),
    ReasonCode.QUEUE_FULL: (
        _("%(most)s items wait in the run queue already; activate or release some of them"),
    ),
    ReasonCode.DISK_FULL: (
        _("the disk of the data folder has only %(free_mb)s MiB free, and FYKE_DISK_FLOOR_MB asks "
          "for %(floor_mb)s; free some space and start the run again"),
    ),
    ReasonCode.BROWSER_MISSING: (
        _("%(field)s asks for a browser, and no runner has one that can be used: %(problem)s. "
          "Leave it out, or ask the operator to install or repair one, see fyke doctor"),
        _("%(field)s asks for a browser, and no runner has one. Leave it out, or ask the operator "
          "to install one, see fyke doctor"),
        _("this version requires a browser, and no runner has one that can be used: %(problem)s. "
          "The operator can install or repair one, see fyke doctor"),
        _("this version requires a browser, and no runner has one. The operator can install one, "
          "see fyke doctor"),
    ),
    ReasonCode.BROWSER_CHOICE_MISSING: (
        _("no runner has the browser that this run asks for: %(problem)s. Ask the operator to "
          "install it, or start the run without asking for it"),
    ),
    ReasonCode.INPUT_REFUSED: (_("the input is not valid any more: %(detail)s"),),
    ReasonCode.RUN_ENDED: (_("the run has already %(state)s"),),
    ReasonCode.RUN_NOT_ENDED: (_("only a finished run can be deleted; abort it first"),),
}  # fmt: skip

WAITS: Mapping[ReasonCode, Forms] = {
    ReasonCode.PREPARING: (
        _("a machine has taken it and installs the dependencies of %(version)s that are missing"),
        _("a machine has taken it and prepares its sandbox"),
    ),
    ReasonCode.PLAN: (
        _("the plan %(plan)s allows %(most)s runs at once, and as many are active; the next "
          "one begins when one of them has ended"),
    ),
    ReasonCode.NO_RUNNER: (
        _("Fyke is being stopped on %(node)s: it finishes what it runs and takes nothing "
          "new; start it again with fyke up"),
        _("no machine is connected; start one with fyke up"),
    ),
    ReasonCode.NO_NODE: (
        _("there is no pool %(pool)s any more, only %(pools)s: abort the run and start it again, "
          "or let a machine join this pool"),
        _("no machine of the pool %(pool)s takes new runs: %(stopping)s are connected, and all of "
          "them are cordoned, drained or stopped (%(nodes)s)"),
        _("no machine of the pool %(pool)s takes new runs: %(stopping)s are connected, and all of "
          "them are cordoned, drained or stopped"),
        _("no machine of the pool %(pool)s is connected; it has the nodes %(nodes)s"),
        _("no machine of the pool %(pool)s is connected"),
    ),
    ReasonCode.NO_LABELS: (
        _("no machine of the pool %(pool)s is in the region %(region)s any more: abort the run and "
          "start it again, or give one the label region=%(region)s"),
        _("no connected machine of the pool %(pool)s has the labels %(labels)s"),
    ),
    ReasonCode.RUNNER_TROUBLE: (
        _("no Worker can be started on %(node)s: %(detail)s"),
        _("no machine can start Workers: %(detail)s"),
    ),
    ReasonCode.NEXT_TRY: (
        _("the Worker could not be started: %(detail)s. It will be retried in %(retry_ms)s"),
    ),
    ReasonCode.RETRY: (
        _("it is tried again (%(times)s of %(most)s), because %(detail)s"),
    ),
    ReasonCode.QUEUE: (
        _("older subtasks wait before it: %(ahead)s; it needs %(cpus)s cores and %(memory_mb)s MB, "
          "more than any of the machines with its browser has in all (%(browser_runners)s; "
          "%(largest_cpus)s cores and %(largest_memory_mb)s MB)"),
        _("older subtasks wait before it: %(ahead)s; it needs %(cpus)s cores and %(memory_mb)s MB, "
          "more than any machine has in all (%(largest_cpus)s cores and %(largest_memory_mb)s MB)"),
        _("older subtasks wait before it: %(ahead)s; it needs %(cpus)s cores and %(memory_mb)s MB; "
          "the machine with the most room has %(free_cpus)s cores and %(free_memory_mb)s MB free"),
    ),
    ReasonCode.ROOM: (
        _("it needs a browser, and all %(browsers)s that the machines have room for are taken"),
        _("it needs %(cpus)s cores and %(memory_mb)s MB, more than any of the machines with its "
          "browser has in all (%(browser_runners)s; %(largest_cpus)s cores and "
          "%(largest_memory_mb)s MB); it begins when one of them does nothing else"),
        _("it needs %(cpus)s cores and %(memory_mb)s MB, more than any machine has in all "
          "(%(largest_cpus)s cores and %(largest_memory_mb)s MB); it begins when a machine does "
          "nothing else"),
        _("it needs %(cpus)s cores and %(memory_mb)s MB; the machine with the most room has "
          "%(free_cpus)s cores and %(free_memory_mb)s MB free"),
        _("it needs %(cpus)s cores and %(memory_mb)s MB, and a machine has room for it: it begins "
          "in a moment"),
    ),
    ReasonCode.ACTIVATION: (_("waits for activation"),),
    ReasonCode.ACTIVATED: (_("activated as run %(run)s"),),
    ReasonCode.RELEASED: (_("released: %(note)s"), _("released")),
    ReasonCode.ITEM_UNKNOWN: (_("item does not exist"),),
    ReasonCode.ITEM_NOT_WAITING: (_("item is not in waiting state"),),
}  # fmt: skip

ALERTS: Mapping[ReasonCode, Forms] = {
    ReasonCode.START_REFUSED: (
        _("The planned start of the task %(task)s was refused: %(reason)s"),
    ),
    ReasonCode.ZERO_ROWS: (_("The run succeeded without rows"),),
    ReasonCode.FEWER_ROWS: (
        _("Fewer rows than usual: %(rows)s, less than %(share_percent)s of %(usual_rows)s, the "
          "median of the last %(runs)s runs"),
    ),
    ReasonCode.SLOWER: (
        _("Slower than usual: the run took %(duration_ms)s, more than %(factor)s times the median "
          "of the last %(runs)s runs, which is %(usual_ms)s"),
    ),
    ReasonCode.FIELD_MISSING: (
        _("The field %(field)s is missing or empty in %(missing_rows)s of %(checked_rows)s checked "
          "rows (%(share_percent)s; %(allowed_percent)s are allowed); the run has %(rows)s rows"),
        _("The field %(field)s is missing or empty in %(missing_rows)s of %(checked_rows)s rows "
          "(%(share_percent)s; %(allowed_percent)s are allowed)"),
    ),
    ReasonCode.BUDGET_EXCEEDED: (
        _("The budget for %(month)s is exceeded: %(used_micros)s of %(budget_micros)s USD and "
          "%(used_traffic_bytes)s of %(budget_traffic_bytes)s MB of traffic are used"),
        _("The budget for %(month)s is exceeded: %(used_micros)s of %(budget_micros)s USD are "
          "used"),
        _("The budget for %(month)s is exceeded: %(used_traffic_bytes)s of "
          "%(budget_traffic_bytes)s MB of traffic are used"),
    ),
}  # fmt: skip

SENTENCES: Mapping[ReasonCode, Forms] = {**ENDS, **INSTALLING, **REFUSALS, **WAITS, **ALERTS}


@dataclass(frozen=True, slots=True)
class DetailTexts:
    rule: Forms
    remedy: Forms = ()


def _detail(rule: str, remedy: str = "") -> DetailTexts:
    return DetailTexts((rule,), (remedy,) if remedy else ())


DETAILS: Mapping[DetailCode, DetailTexts] = {
    DetailCode.FILE_TOO_LARGE: _detail(
        _("larger than %(max_bytes)s"), _("shorten it to the packages that the Worker needs"),
    ),
    DetailCode.FILE_NOT_UTF8: _detail(_("not UTF-8"), _("save it as UTF-8")),
    DetailCode.FILE_NOT_JSON: _detail(_("no valid JSON: %(problem)s"), _("correct the JSON")),
    DetailCode.OPTION_REFUSED: _detail(
        _("the option '%(option)s' is not accepted"),
        _("list packages only; the registry is configured on the machine that runs Fyke"),
    ),
    DetailCode.ADDRESS_REFUSED: _detail(
        _("packages from a URL or a path are not installed"),
        _("name a package and a version, such as requests==2.32"),
    ),
    DetailCode.NOT_A_REQUIREMENT: _detail(
        _("'%(text)s' is not a package with a version"),
        _("name a package and a version, such as requests==2.32"),
    ),
    DetailCode.ROOT_NOT_OBJECT: _detail(_("the root must be an object"), _("write {...}")),
    DetailCode.SECTION_NOT_OBJECT: _detail(
        _("%(section)s must be an object"), _('write {"name": "version"}'),
    ),
    DetailCode.PACKAGE_NAME_INVALID: _detail(
        _("'%(package)s' is not the name of a package"),
        _("use the name in the registry, such as cheerio or @types/node"),
    ),
    DetailCode.VERSION_REFUSED: _detail(
        _("the version of '%(package)s' does not come from the registry: '%(version)s'"),
        _('name a version such as "^1.2.3"'),
    ),
    DetailCode.LOCKED_LINK: _detail(
        _("'%(package)s' is a link"), _("depend on packages of the registry"),
    ),
    DetailCode.LOCKED_OUTSIDE: _detail(
        _("'%(package)s' lies outside node_modules"), _("run npm install again"),
    ),
    DetailCode.LOCKED_ADDRESS: _detail(
        _("'%(package)s' comes from '%(address)s'"), _("depend on packages of the registry"),
    ),
    DetailCode.TOOL_EXIT: _detail(_("%(program)s ended with code %(exit_code)s")),
    DetailCode.FILES_TOO_DEEP: _detail(
        _("a package has folders nested too deeply"), _("remove the package"),
    ),
    DetailCode.FILES_LINK: _detail(
        _("a package contains the link or device '%(name)s'"), _("remove the package"),
    ),
    DetailCode.FILES_TOO_LARGE: _detail(
        _("they take more than the allowed %(max_bytes)s"),
        _("use fewer or smaller packages"),
    ),
    DetailCode.FILES_TOO_MANY: _detail(
        _("they are more than %(max_files)s files"), _("use fewer or smaller packages"),
    ),
    DetailCode.FILES_NONE: _detail(_("the installer left no files")),
    DetailCode.FILES_NOT_A_FOLDER: _detail(
        _("a package replaced a folder with another file"), _("remove the package"),
    ),
    DetailCode.SHARED_LIBRARIES: _detail(_("it needs shared libraries")),
    DetailCode.SHEET_ROWS: DetailTexts((
        _("a sheet has at most %(sheet_rows)s rows with the header row; this file has %(sheets)s "
          "sheets"),
        _("a sheet has at most %(sheet_rows)s rows with the header row; this file has 1 sheet"),
    )),
    DetailCode.SHEET_COLUMNS: _detail(
        _("the file has at most %(max_columns)s columns and %(max_mb)s MB of rows"),
        _("choose xlsx or csv for more"),
    ),
    DetailCode.CELL_LENGTH: _detail(
        _("a cell has at most %(max_characters)s characters; longer texts are cut and end with "
          "%(cut_mark)s"),
    ),
    DetailCode.SANDBOX_FAILED: _detail(_("its sandbox failed: %(problem)s")),
    DetailCode.DISK_SHORT: _detail(
        _("the disk of the runner has %(free_bytes)s free, and a sandbox needs %(needed_bytes)s"),
        _("free some space"),
    ),
    DetailCode.DISK_LOW: _detail(
        _("its disk has %(free_bytes)s free, and below %(floor_bytes)s it takes no attempts"),
        _("free some space on it, such as with fyke prune --yes"),
    ),
    DetailCode.DISK_USED_UP: _detail(_("the disk of the runner is full"), _("free some space")),
    DetailCode.EGRESS_AWAY: _detail(_("the egress process does not answer")),
    DetailCode.STORE_AWAY: _detail(_("the database could not be reached")),
    DetailCode.BLOBS_AWAY: _detail(_("the storage of bundles could not be reached")),
    DetailCode.REGISTRY_AWAY: _detail(
        _("the package registry could not be reached: %(problem)s"),
    ),
    DetailCode.RUNNER_LOST_EARLY: _detail(_("the runner was lost or stopped first")),
    DetailCode.MACHINE_LOST: DetailTexts((
        _("the machine %(node)s was lost"), _("its machine was lost"),
    )),
    DetailCode.NODE_DRAINED: DetailTexts((
        _("the machine %(node)s was taken out of service"),
        _("its machine was taken out of service"),
    )),
    DetailCode.PLATFORM_STOPPED: _detail(_("the platform was stopped")),
    DetailCode.UNFORESEEN: _detail(_("the platform failed: %(problem)s")),
}  # fmt: skip


CHECKS = frozenset({
    _("bubblewrap"), _("box"), _("limits"), _("user namespace"), _("unprivileged user"),
    _("nested user namespaces"), _("capabilities"), _("no new privileges"), _("seccomp"),
    _("vsock"), _("own user namespace"), _("mount namespace"), _("process namespace"),
    _("network namespace"), _("ipc namespace"), _("uts namespace"), _("cgroup namespace"),
    _("host name"), _("network"), _("no name server"), _("proc"), _("process 1"),
    _("environment of process 1"), _("options out of sight"), _("session"), _("descriptors"),
    _("environment"), _("core files"), _("read-only system"), _("no set-id"), _("no devices"),
    _("files of the machine"), _("memory file systems"), _("watches"),
    _("own sandbox of the browser"),
})  # fmt: skip
BROWSER_PREFIX = "browser: "  # of the checks of a browser's sandbox
BROWSER_CHECK = _("browser: %(check)s")
