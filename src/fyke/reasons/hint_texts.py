"""The catalogue of hints: for each code the likely cause and the next step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fyke.reasons.codes import HintCode
from fyke.reasons.texts import Forms, _


@dataclass(frozen=True, slots=True)
class HintTexts:
    cause: Forms
    next_step: Forms


def _hint(cause: str, next_step: str) -> HintTexts:
    return HintTexts((cause,), (next_step,))


HINTS: Mapping[HintCode, HintTexts] = {
    HintCode.NO_ROWS: _hint(
        _("The Worker succeeded and pushed no rows"),
        _("Check that the input names pages that exist, open one of them by hand, and read the "
          "log: a site that answers with another page than expected often leaves nothing to "
          "collect"),
    ),
    HintCode.ROWS_NOT_PUSHED: _hint(
        _("The Worker pushed no row, but left files that seem to contain rows; the log names them"),
        _("Let it push each row with CoreSDK.Result.push_data: its files are removed after the "
          "run"),
    ),
    HintCode.PARTLY_FAILED: HintTexts(
        (
            _("%(failed)s of %(subtasks)s subtasks failed, %(browser_busy)s of them because no "
              "browser was free in time (browser_busy), %(short_of_memory)s of these for want of "
              "memory of the machine; the rows are those of the others"),
            _("%(failed)s of %(subtasks)s subtasks failed, %(browser_busy)s of them because no "
              "browser was free in time (browser_busy); the rows are those of the others"),
            _("%(failed)s of %(subtasks)s subtasks failed; the rows are those of the others"),
        ),
        (
            _("Run the input of these %(browser_busy)s subtasks again when more memory is free: "
              "for %(short_of_memory)s of them the machine had too little. The operator can let "
              "less run at once with runner_memory_mb"),
            _("Run the input of these %(browser_busy)s subtasks again, fewer of them at a time; "
              "the operator can allow more browsers at once with runner_browsers"),
            _("See the errors of the subtasks, and run their input again"),
        ),
    ),
    HintCode.EXIT_CODE: _hint(
        _("The Worker's program ended with an error"),
        _("Read the last lines of its log; they often name the line of code that failed"),
    ),
    HintCode.NO_BROWSER: _hint(
        _("The Worker needs a browser, and this installation has none"),
        _("Use a Worker that fetches pages over HTTP, or change this one to do so"),
    ),
    HintCode.BROWSER_NOT_DECLARED: _hint(
        _("The version declares that it uses no browser, so its connections were refused"),
        _("Declare browser: optional or required in its fyke.json, and publish it again"),
    ),
    HintCode.BROWSER_BUSY: HintTexts(
        (
            _("The machine had less than the %(needed_mb)s MB of free memory that a browser needs "
              "to start"),
            _("Other runs used all browsers that the runner has room for"),
        ),
        (
            _("Start the run again when the machine has %(needed_mb)s MB of memory free; the "
              "operator can let less run at once with runner_memory_mb"),
            _("Start the run again later, or let fewer runs with a browser run at once; the "
              "operator can allow more with runner_browsers"),
        ),
    ),
    HintCode.BROWSER_FAILED: _hint(
        _("The browser could not be started"),
        _("Read the reason; the operator can check the browser of the machine with fyke doctor"),
    ),
    HintCode.BROWSER_OUT_OF_MEMORY: _hint(
        _("The pages took more memory than the browser may use"),
        _("Close pages that are no longer needed, open fewer at a time, do not load images "
          "(browser_block), or start it with more browser_memory"),
    ),
    HintCode.CRASHED: _hint(
        _("Native code crashed: the Worker's runtime or one of its compiled libraries"),
        _("Find the library in the last lines of the log, pin another version of it, and publish a "
          "new version of the Worker"),
    ),
    HintCode.KILLED: _hint(
        _("The Worker's program was killed from inside the Worker, or by the kernel because the "
          "machine as a whole ran out of memory"),
        _("Check whether the Worker kills its own processes; otherwise run it again, and when it "
          "is killed again, ask the operator about the memory of the machine"),
    ),
    HintCode.SIGNAL: _hint(
        _("The Worker's program was ended by a signal from inside the Worker or from the kernel"),
        _("Check whether the Worker sends signals to its own processes"),
    ),
    HintCode.OUT_OF_MEMORY: _hint(
        _("The Worker needed more memory than this run was given"),
        _("Run it again with more memory, or with fewer pages at a time"),
    ),
    HintCode.TIMEOUT: _hint(
        _("The run took longer than its time limit"),
        _("Raise the time limit in the run options, or reduce the input; its rows are kept"),
    ),
    HintCode.ABORTED: _hint(
        _("A user stopped the run"),
        _("Its rows are kept; run it again to collect the rest"),
    ),
    HintCode.TRAFFIC_CAP: _hint(
        _("The run used up the traffic that it was allowed"),
        _("Raise the traffic limit in the run options, or reduce the input; its rows are kept"),
    ),
    HintCode.CHARGE_CAP: _hint(
        _("The run would have cost more than it was allowed to"),
        _("Raise the maximum charge in the run options or the cap of the account that was reached, "
          "or reduce the input; its rows are kept"),
    ),
    HintCode.BALANCE_USED_UP: _hint(
        _("The run used up the balance that was free when it started"),
        _("Credit the account and run it again; its rows are kept"),
    ),
    HintCode.ROW_CAP: _hint(
        _("The run reached the maximum number of rows of a run"),
        _("Split the input over several runs; the rows are kept"),
    ),
    HintCode.DISK_CAP: _hint(
        _("The Worker's files took more space than a run may use"),
        _("Change the Worker to delete files that it no longer needs, or reduce the input; its "
          "rows are kept"),
    ),
    HintCode.INSTALL_FAILED: _hint(
        _("The Worker's dependencies could not be installed"),
        _("Read the installer's lines in the log; pin the version that it names, and publish a new "
          "version of the Worker"),
    ),
    HintCode.PACKAGE_NOT_FOUND: _hint(
        _("The Worker asks for a package or a version that the package registry does not have"),
        _("Correct the name or the version in the dependencies, and publish a new version of the "
          "Worker; if they are right, ask the operator which registry is used (fyke doctor)"),
    ),
    HintCode.REGISTRY_AWAY: _hint(
        _("The package registry could not be reached, which is not the fault of the Worker"),
        _("Ask the operator to check the registry, which fyke doctor names; run it again when the "
          "registry can be reached"),
    ),
    HintCode.INSTALL_TIMEOUT: _hint(
        _("Installing the Worker's dependencies took longer than allowed"),
        _("Use fewer or smaller packages and pin their versions; if the registry was slow, run it "
          "again"),
    ),
    HintCode.INSTALL_LIMIT: _hint(
        _("The Worker's dependencies need more disk, memory or traffic than an installation may "
          "use"),
        _("Use fewer or smaller packages, and publish a new version of the Worker"),
    ),
    HintCode.REQUIREMENT_REFUSED: _hint(
        _("The Worker asks for packages that are not accepted here"),
        _("Correct the error named above, and publish a new version of the Worker"),
    ),
    HintCode.BUILDS_NOT_ALLOWED: _hint(
        _("The Worker's dependencies would run code while they are installed, and that is not "
          "allowed for it"),
        _("Ask the operator to allow that (fyke worker builds, or its tab Versions), or publish a "
          "version that needs ready-made packages only"),
    ),
    HintCode.INSTALLER_NOT_READY: _hint(
        _("This machine is not set up for installing the Worker's dependencies"),
        _("Send the message above to the operator, who can fix it; then run it again"),
    ),
    HintCode.ISOLATION_REFUSED: _hint(
        _("A part of the isolation is missing on this machine, so no Worker may run on it"),
        _("The operator finds the missing part and the way to add it in fyke doctor and in the "
          "console (Admin, Isolation); then run it again"),
    ),
    HintCode.LIMITS_MISSING: _hint(
        _("This machine cannot enforce CPU and memory limits, so it runs only the operator's own "
          "Workers"),
        _("The operator finds the missing part and the way to add it in fyke doctor and in the "
          "console (Admin, Isolation); then run it again, or on a machine with level full"),
    ),
    HintCode.WORKER_DELETED: _hint(
        _("The Worker was deleted before the run began"),
        _("Choose another Worker"),
    ),
    HintCode.RUNNER_LOST: _hint(
        _("The machine that executed the run was lost, stopped or taken out of service"),
        _("Run it again; its rows until then are kept. It was not the Worker's fault. With "
          "max_retries, such a subtask is tried again automatically"),
    ),
    HintCode.INTERNAL: _hint(
        _("A fault of the platform or of its machine, which no other version of the Worker avoids"),
        _("Run it again; if it fails again, report the ID of the run to the operator"),
    ),
    HintCode.UNDECLARED_SITES: HintTexts(
        (
            _("Some sites that the Worker asked for were refused, because its version does not "
              "declare them: %(some)s"),
            _("All sites that the Worker asked for were refused, because its version does not "
              "declare them: %(sites)s"),
        ),
        (
            _("Its author adds them to egress in fyke.json and publishes a new version; until then "
              "give it pages of the sites that its page names"),
        ),
    ),
    HintCode.REFUSED_SITES: HintTexts(
        (
            _("All sites that the Worker asked for were refused, because their addresses are not "
              "public: %(private)s"),
            _("All sites that the Worker asked for were refused: %(sites)s"),
        ),
        (
            _("Use a public address, or ask the operator to allow %(private)s with the setting "
              "egress_allow"),
            _("Check the name and the port in the input: names of a private network and ports "
              "of mail are refused unless the operator allows them with the setting egress_allow. "
              "A site that is throttled will respond again later"),
        ),
    ),
    HintCode.MODULE_MISSING: _hint(
        _("The Worker imports a library that is not installed"),
        _("Name it in the Worker's requirements.txt or package.json and publish a new version"),
    ),
    HintCode.BLOCKED: _hint(
        _("The site refused the requests"),
        _("Request fewer pages at a time, choose another region in the run options, or wait before "
          "the next run"),
    ),
    HintCode.UNKNOWN_HOST: _hint(
        _("The name of a site could not be found, or is of an internal address"),
        _("Check the addresses in the input for typing errors; if they are right, see whether the "
          "machine can look up names. The operator can allow an internal name with the setting "
          "egress_allow"),
    ),
    HintCode.UNREACHABLE: _hint(
        _("A site could not be reached"),
        _("Open it in a browser to check that it works; then run again, perhaps with another "
          "region"),
    ),
    HintCode.ELEMENT_MISSING: HintTexts(
        (_("An element for which the Worker waited did not appear on the page in time"),),
        (
            _("See what the page showed instead, such as a sign-in, a question about cookies or "
              "another layout: what is kept of it is in the tab Browser and in fyke run browser "
              "%(run)s. Then correct the selector, or wait longer"),
            _("Find out what the page showed instead, such as a sign-in, a question about cookies "
              "or another layout. Then correct the selector, or wait longer"),
        ),
    ),
    HintCode.PAGE_MISSING: _hint(
        _("A page in the input does not exist"),
        _("Check the addresses in the input"),
    ),
    HintCode.OTHER_PAGE: _hint(
        _("The Worker received data in an unexpected format"),
        _("The site may have changed: look at the line that the log names, and fix the Worker"),
    ),
}  # fmt: skip
