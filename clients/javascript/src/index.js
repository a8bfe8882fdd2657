/** Client of Fyke. `Fyke` has a method for each operation; everything else supports it. */

export { ApiError, FykeError, RunFailed, Unreachable, WebhookError } from "./errors.js";
export { Fyke } from "./fyke.js";
export { packFolder } from "./project.js";
export { verifyWebhook } from "./webhooks.js";
