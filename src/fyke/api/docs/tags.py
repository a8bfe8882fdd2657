"""The groups of operations, in the order of the page, and what each is about."""

from __future__ import annotations

TAGS: dict[str, str] = {
    "Public": "What anybody may ask, with a key or without one: published workers and regions.",
    "Workers": "Publishing workers, their versions, and what one takes as its input.",
    "Uploads": "Projects on their way in: checked step by step, tried out, published.",
    "Review": "For the operator: what waits to be published for everybody.",
    "Runs": "Starting, watching, repeating and ending runs.",
    "Run queue": "Runs that wait until they are activated or released.",
    "Tasks": "Saved inputs of a worker, started by hand or by their schedule.",
    "Schedules": "When a task starts by itself, and what came of it.",
    "Results": "The rows of a run, page by page or as a file.",
    "Account": "The caller's account, its keys and its deliveries.",
    "Webhooks": "Endpoints that are told of runs and alerts as they happen, signed.",
    "Alerts": "Rules that look at each run that has ended, and what they found.",
    "Files": "Downloads by temporary link; no key is needed.",
    "Operator": "For the owner of this server: accounts, balances and runners.",
    "Health": "For load balancers and monitors.",
    "Documents": "This description of the API, in the forms that tools read.",
}
