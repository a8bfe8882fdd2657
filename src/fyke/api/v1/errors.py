"""The published errors of v1: status, code and text of each error of the domain.

The API under ``/api/fyke`` uses them too.
"""

from __future__ import annotations

from fyke import errors
from fyke.api.wire_errors import WireError

INVALID = WireError(400, 4000, "Invalid request parameters")
UNKNOWN_PATH = WireError(404, 4040, "Resource not found")
INTERNAL = WireError(500, 5000, "Internal server error")

# Looked up by the class and its ancestors, so a new error is answered like its parent.
TABLE: dict[type[errors.FykeError], WireError] = {
    errors.FykeError: INTERNAL,
    errors.InvalidRequest: INVALID,
    errors.InvalidFields: INVALID,
    errors.UnknownFilter: INVALID,
    errors.TooComplex: INVALID,
    errors.UnknownVersion: INVALID,
    errors.Unauthenticated: WireError(401, 20001, "Invalid API key"),
    errors.MissingKey: WireError(401, 20001, "Invalid API key"),
    errors.InvalidKey: WireError(401, 20001, "Invalid API key"),
    errors.ExpiredKey: WireError(401, 20002, "API key expired"),
    errors.SignInFailed: WireError(401, 20001, "Invalid API key"),
    errors.CodeWrong: WireError(401, 20001, "Invalid API key"),
    errors.SessionEnded: WireError(401, 20001, "Invalid API key"),
    errors.UserMissing: WireError(401, 10001, "User does not exist"),
    errors.UserDisabled: WireError(401, 10002, "User is disabled"),
    errors.Forbidden: WireError(401, 4010, "Unauthorized access"),
    errors.ScopeMissing: WireError(401, 4010, "Unauthorized access"),
    errors.ConfirmationNeeded: WireError(401, 4010, "Unauthorized access"),
    errors.NotFound: UNKNOWN_PATH,
    errors.DeliveryNotFound: UNKNOWN_PATH,
    errors.LinkSpent: UNKNOWN_PATH,
    errors.SecretNotFound: WireError(404, 4040, "Secret does not exist"),
    errors.WorkerNotFound: WireError(404, 50001, "Worker does not exist"),
    errors.TaskNotFound: WireError(404, 60001, "Task does not exist"),
    errors.RunNotFound: WireError(404, 70001, "Run record does not exist"),
    errors.Refused: WireError(400, 4000, "Request refused"),
    errors.VersionUnavailable: WireError(400, 50003, "Worker version unavailable"),
    errors.RunNotAbortable: WireError(400, 70002, "Run abort failed"),
    errors.RunRefused: WireError(400, 50002, "Worker execution failed"),
    errors.InsufficientBalance: WireError(400, 30001, "Insufficient balance"),
    errors.CapReached: WireError(400, 30001, "Insufficient balance"),
    errors.InsufficientTraffic: WireError(400, 30002, "Insufficient traffic quota"),
    errors.PlanLimitReached: WireError(400, 30003, "Plan limit reached"),
    errors.Conflict: WireError(409, 4000, "Conflict"),
    errors.RateLimited: WireError(429, 4290, "Too many requests, please try again later"),
    errors.Unavailable: WireError(503, 5000, "Service temporarily unavailable"),
    errors.OutcomeUnknown: WireError(503, 5000, "Service temporarily unavailable"),
    errors.BlobsAway: WireError(503, 5000, "Service temporarily unavailable"),
    errors.NotStorable: INTERNAL,
    errors.StaleLease: INTERNAL,
    errors.NodeEnded: INTERNAL,
}
