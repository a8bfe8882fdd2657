"""The groups of operations in the order of the page, with their descriptions."""

from __future__ import annotations

TAGS: dict[str, str] = {
    "Public": "Published workers and regions, with a key or without one.",
    "Workers": "Publishing workers, their versions and input forms.",
    "Uploads": "Uploaded projects: checked step by step, tested, published.",
    "Review": "For the operator: versions that wait to be published for all users.",
    "Runs": "Starting, watching, repeating and ending runs.",
    "Run queue": "Runs that wait until they are activated or released.",
    "Tasks": "Saved inputs of a worker, started by hand or by their schedule.",
    "Schedules": "When a task starts by itself, and with which result.",
    "Results": "The rows of a run, page by page or as a file.",
    "Account": "The caller's account, its keys and its deliveries.",
    "Webhooks": "Endpoints that receive runs and alerts as they happen, signed.",
    "Alerts": "Rules that check each run that has ended, and their alerts.",
    "Files": "Downloads by temporary link; no key is needed.",
    "Operator": "For the owner of this server: accounts, balances and runners.",
    "Health": "For load balancers and monitors.",
    "Documents": "This description of the API, in formats for tools.",
}
