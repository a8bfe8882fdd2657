/**
 * Errors of the client.
 *
 *     ClientError
 *     ├── ApiError           the server answered with an error
 *     ├── Unreachable        no answer, or none from a Fyke server
 *     ├── RunFailed          a run that was waited for did not succeed
 *     └── InvalidSignature   a message is not from this Fyke
 *
 * Wrong arguments are a TypeError. What an AbortSignal stops is rejected with its reason.
 */

export class ClientError extends Error {
  static {
    this.prototype.name = "ClientError";
  }

  /**
   * @param {string} message
   * @param {ErrorOptions} [options]
   */
  constructor(message, options) {
    super(message, options);
  }
}

export class ApiError extends ClientError {
  static {
    this.prototype.name = "ApiError";
  }

  /** @param {import("./index.d.ts").ApiErrorFields} fields */
  constructor(fields) {
    super(fields.message);
    this.status = fields.status;
    this.code = fields.code;
    this.details = fields.details;
    this.key = fields.key;
    this.reason = fields.reason;
    this.requestId = fields.requestId;
    this.retryAfter = fields.retryAfter;
  }
}

export class Unreachable extends ClientError {
  static {
    this.prototype.name = "Unreachable";
  }
}

export class RunFailed extends ClientError {
  static {
    this.prototype.name = "RunFailed";
  }

  /** @param {import("./index.d.ts").WorkerRun} run */
  constructor(run) {
    super(`run ${run.run_slug} ${run.status}${run.err_msg && `: ${run.err_msg}`}`);
    this.run = run;
  }
}

export class InvalidSignature extends ClientError {
  static {
    this.prototype.name = "InvalidSignature";
  }
}
