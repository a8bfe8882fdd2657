/** Client of Fyke. `Fyke` has a method for each operation; everything else supports it. */

export { ApiError, ClientError, InvalidSignature, RunFailed, Unreachable } from "./errors.js";
export { Fyke } from "./fyke.js";
export { packFolder } from "./project.js";
export { verifyWebhook } from "./webhooks.js";
