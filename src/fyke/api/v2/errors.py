"""The published errors of v2: status, code and text of each error of the domain."""

from __future__ import annotations

from fyke import errors
from fyke.api.wire_errors import WireError

INVALID = WireError(400, 11000, "invalid argument")
UNKNOWN_PATH = WireError(404, 11004, "not found")
INTERNAL = WireError(500, 10000, "internal server error")

TABLE_V2: dict[type[errors.FykeError], WireError] = {
    errors.FykeError: INTERNAL,
    errors.InvalidRequest: INVALID,
    errors.InvalidFields: WireError(422, 11000, "invalid argument"),
    errors.UnknownVersion: WireError(400, 50003, "the worker version is not available"),
    errors.Unauthenticated: WireError(401, 12002, "invalid token"),
    errors.MissingKey: WireError(401, 12001, "authentication required"),
    errors.Forbidden: WireError(403, 11000, "operation not permitted"),
    errors.NotFound: UNKNOWN_PATH,
    errors.WorkerNotFound: WireError(404, 50001, "worker does not exist"),
    errors.TaskNotFound: WireError(404, 60001, "task does not exist"),
    errors.RunNotFound: WireError(404, 70001, "run record does not exist"),
    errors.Refused: INVALID,
    errors.VersionUnavailable: WireError(400, 50003, "the worker version is not available"),
    errors.RunNotAbortable: WireError(400, 70002, "run operation failed"),
    errors.RunRefused: WireError(400, 50002, "worker run failed"),
    errors.InsufficientBalance: WireError(400, 30001, "account balance is insufficient"),
    errors.InsufficientTraffic: WireError(400, 30001, "account traffic quota is insufficient"),
    errors.PlanLimitReached: WireError(
        400, 30003, "the current running tasks have reached the plan limit"
    ),
    errors.Conflict: WireError(409, 11000, "invalid argument"),
    errors.RateLimited: WireError(429, 13000, "too many requests"),
    errors.Unavailable: WireError(503, 10000, "service temporarily unavailable"),
    errors.OutcomeUnknown: WireError(503, 10000, "service temporarily unavailable"),
    errors.BlobsAway: WireError(503, 10000, "service temporarily unavailable"),
    errors.NotStorable: INTERNAL,
    errors.StaleLease: INTERNAL,
    errors.NodeEnded: INTERNAL,
}
