/** Requests to one server, repeated where that is safe; they return `data` of the envelope. */

import { Deadline, sleep } from "./deadline.js";
import { ApiError, ClientError, Unreachable } from "./errors.js";

/**
 * @typedef {object} Request
 * @property {Record<string, unknown>} [query] members that are undefined are left out
 * @property {unknown} [body] sent as JSON
 * @property {FormData} [form] sent instead of a body
 * @property {Record<string, string>} [headers]
 * @property {AbortSignal} [signal]
 * @property {number} [extra] milliseconds that the server may take longer than usual
 * @property {boolean} [once] the request may have an effect each time that it arrives, so it is
 *   repeated only if it cannot have had one
 * @property {boolean} [patient] repeated for longer, over the restart of a server
 */

const DEFAULT_URL = "http://127.0.0.1:8100";
const MAX_PAUSE = 8_000;
const MAX_RETRY_AFTER = 60; // seconds
const PATIENT_RETRIES = 10; // about a minute
const KEY = /^[\x21-\x7e]+$/;
const START_KEY = /^[\x21-\x7e]([\x20-\x7e]{0,253}[\x21-\x7e])?$/; // fetch cuts outer spaces off
// No connection was made, so nothing was sent.
const UNSENT = new Set(["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "EHOSTUNREACH", "ENETUNREACH"]);

/**
 * The errors after which a request can be repeated, with whether it cannot have had an effect.
 *
 * @type {WeakMap<object, { unsent: boolean }>}
 */
const losses = new WeakMap();

export class Connection {
  #base;
  #key;
  #timeout;
  #retries;
  #retryDelay;
  #fetch;

  /** @param {import("./index.d.ts").FykeOptions} options */
  constructor(options) {
    this.#base = baseOf(options.url || variable("FYKE_URL") || DEFAULT_URL);
    this.#key = keyOf(options.key ?? variable("FYKE_KEY"));
    this.#timeout = options.timeout ?? 30_000;
    this.#retries = options.retries ?? 3;
    this.#retryDelay = options.retryDelay ?? 500;
    this.#fetch = (options.fetch ?? globalThis.fetch).bind(globalThis);
  }

  get url() {
    return this.#base;
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {Request} [request]
   * @returns {Promise<any>} `data` of the answer
   */
  async call(method, path, request = {}) {
    const send = this.#sender(method, path, request);
    return this.#repeat(request, async (deadline) => {
      const response = await send(deadline);
      return dataOf(response, await response.text(), this.#base);
    });
  }

  /**
   * A stream of the API. Its chunks may pause for as long as `quiet` milliseconds.
   *
   * @param {string} path
   * @param {number} quiet
   * @param {Request} request
   * @returns {Promise<AsyncGenerator<Uint8Array, void, void> | null>} null when there is no more
   */
  async stream(path, quiet, request) {
    const send = this.#sender("GET", path, request);
    const { response, deadline } = await this.#repeat(
      request,
      async (deadline) => {
        const response = await send(deadline);
        if (!response.ok) dataOf(response, await response.text(), this.#base);
        return { response, deadline };
      },
      true,
    );
    if (response.status !== 204) return this.#chunks(response, deadline, quiet, this.#base);
    deadline.close();
    return null;
  }

  /**
   * Give the content of a link to `save`, from its start for each try. The key is not sent, because
   * links need none and may point to another server.
   *
   * @template T
   * @param {string} link
   * @param {AbortSignal | undefined} signal
   * @param {(chunks: AsyncIterable<Uint8Array>) => Promise<T>} save
   * @returns {Promise<T>}
   */
  async download(link, signal, save) {
    const { origin } = new URL(link);
    return this.#repeat({ signal }, async (deadline) => {
      const response = await this.#fetch(link, { signal: deadline.signal });
      if (!response.ok) dataOf(response, await response.text(), origin);
      return save(this.#chunks(response, deadline, this.#timeout, origin));
    });
  }

  /**
   * Give the content of a file of the API to `save`, from its start for each try.
   *
   * @template T
   * @param {string} path
   * @param {Request} request
   * @param {(chunks: AsyncIterable<Uint8Array>) => Promise<T>} save
   * @returns {Promise<T>}
   */
  async file(path, request, save) {
    const send = this.#sender("GET", path, request);
    return this.#repeat(request, async (deadline) => {
      const response = await send(deadline);
      if (!response.ok) dataOf(response, await response.text(), this.#base);
      return save(this.#chunks(response, deadline, this.#timeout, this.#base));
    });
  }

  /** @param {number} attempt from 0 */
  pause(attempt) {
    return Math.min(this.#retryDelay * 2 ** attempt, MAX_PAUSE) * (0.5 + Math.random() / 2);
  }

  /** @param {boolean | undefined} patient */
  retries(patient) {
    return patient && this.#retries ? Math.max(this.#retries, PATIENT_RETRIES) : this.#retries;
  }

  /**
   * A function that sends the request, each time with the same bytes.
   *
   * @param {string} method
   * @param {string} path
   * @param {Request} request
   */
  #sender(method, path, { query, body, form, headers }) {
    const address = this.#base + path + queryOf(query);
    /** @type {Record<string, string>} */
    const sent = { ...headers, authorization: `Bearer ${this.#key}` };
    if (body !== undefined) sent["content-type"] = "application/json";
    const init = {
      method,
      headers: sent,
      body: form ?? (body === undefined ? undefined : JSON.stringify(body)),
      redirect: /** @type {const} */ ("manual"), // Fyke never redirects, and the key stays here
    };
    return (/** @type {Deadline} */ { signal }) => this.#fetch(address, { ...init, signal });
  }

  /**
   * @template T
   * @param {Request} request
   * @param {(deadline: Deadline) => Promise<T>} attempt
   * @param {boolean} [goesOn] the attempt that succeeds goes on with its deadline
   * @returns {Promise<T>}
   */
  async #repeat(request, attempt, goesOn = false) {
    for (let count = 0; ; count++) {
      request.signal?.throwIfAborted();
      const deadline = new Deadline(this.#timeout + (request.extra ?? 0), request.signal);
      let failure;
      try {
        const result = await attempt(deadline);
        if (!goesOn) deadline.close();
        return result;
      } catch (error) {
        deadline.close();
        request.signal?.throwIfAborted();
        failure = this.#failure(error, deadline);
      }
      const pause = this.#pauseAfter(failure, count, request);
      if (pause === null) throw failure;
      await sleep(pause, request.signal);
    }
  }

  /**
   * @param {Response} response
   * @param {Deadline} deadline
   * @param {number} quiet
   * @param {string} source
   */
  async *#chunks(response, deadline, quiet, source) {
    const reader = response.body?.getReader();
    try {
      while (reader) {
        deadline.restart(quiet);
        const { done, value } = await reader.read().catch((error) => {
          throw this.#failure(error, deadline, source);
        });
        if (done) return;
        deadline.pause(); // the reader of the chunks may take its time
        yield value;
      }
    } finally {
      deadline.close();
      await reader?.cancel().catch(() => {}); // of a stream that is broken already
    }
  }

  /**
   * @param {unknown} error
   * @param {Deadline} deadline
   * @param {string} [source]
   * @returns {unknown}
   */
  #failure(error, deadline, source = this.#base) {
    if (error instanceof ClientError) return error;
    if (deadline.passed) return loss(`${source} did not answer in time`, error);
    if (deadline.signal.aborted) return deadline.signal.reason;
    // fetch says with a cause that the network failed; without one it is a mistake of the caller
    if (!(error instanceof TypeError && error.cause)) return error;
    const cause = /** @type {{ code?: string, message?: string }} */ (error.cause);
    const unsent = UNSENT.has(cause.code ?? "");
    const why = cause.message || cause.code || error.message;
    return loss(`${source} cannot be reached: ${why}`, error, unsent);
  }

  /**
   * @param {unknown} failure
   * @param {number} count attempts before
   * @param {Request} request
   * @returns {number | null} milliseconds until the next attempt, null for none
   */
  #pauseAfter(failure, count, { once, patient }) {
    if (count >= this.retries(patient)) return null;
    if (failure instanceof Unreachable) {
      const lost = losses.get(failure);
      return lost && (lost.unsent || !once) ? this.pause(count) : null;
    }
    if (!(failure instanceof ApiError)) return null;
    const { status, key, retryAfter } = failure;
    if (status !== 429 && status !== 503) return null;
    if (once && key === "outcome_unknown") return null;
    if (!retryAfter) return this.pause(count);
    return retryAfter > MAX_RETRY_AFTER ? null : retryAfter * 1000;
  }
}

/**
 * @param {Response} response
 * @param {string} text
 * @param {string} source
 */
function dataOf(response, text, source) {
  let envelope;
  try {
    envelope = JSON.parse(text);
  } catch {
    envelope = null;
  }
  const { status } = response;
  if (typeof envelope?.code !== "number" || typeof envelope.message !== "string") {
    const message = `${source} answered ${status}, but is not a Fyke server`;
    // a proxy before the server answers these when it gets no answer itself
    throw [502, 503, 504].includes(status) ? loss(message) : new Unreachable(message);
  }
  if (response.ok && envelope.code === 0) return envelope.data ?? null;
  const retryAfter = response.headers.get("retry-after") ?? "";
  throw new ApiError({
    status,
    code: envelope.code,
    message: envelope.message,
    details: envelope.details ?? [],
    key: response.headers.get("x-fyke-error") ?? "",
    reason: response.headers.get("x-fyke-reason") ?? "",
    requestId: response.headers.get("x-request-id") ?? envelope.request_id ?? "",
    retryAfter: /^\d+$/.test(retryAfter) ? Number(retryAfter) : 0,
  });
}

/**
 * @param {string} message
 * @param {unknown} [cause]
 * @param {boolean} [unsent]
 */
function loss(message, cause, unsent = false) {
  const error = new Unreachable(message, { cause });
  losses.set(error, { unsent });
  return error;
}

/** @param {string} name */
function variable(name) {
  return /** @type {any} */ (globalThis).process?.env?.[name];
}

/** @param {string} text */
function baseOf(text) {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (!url || !["http:", "https:"].includes(url.protocol) || url.search || url.hash) {
    throw new TypeError("the address of the server must be an http or https URL without a query");
  }
  if (url.username || url.password) {
    throw new TypeError("the address of the server must not contain a user or a password");
  }
  return url.href.replace(/\/+$/, "");
}

/** @param {string | undefined} text */
function keyOf(text) {
  const key = text?.trim();
  if (!key) throw new TypeError("name your API key: new Fyke({ key }), or the variable FYKE_KEY");
  // fetch would repeat the key in its error
  if (!KEY.test(key)) throw new TypeError("the API key contains a character that no key has");
  return key;
}

/** @param {Record<string, unknown>} [query] */
function queryOf(query = {}) {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    for (const each of Array.isArray(value) ? value : [value]) {
      if (each !== undefined) parameters.append(name, String(each));
    }
  }
  return parameters.size ? `?${parameters}` : "";
}

/**
 * @param {string} text
 * @returns {string} `text` as one segment of a path
 */
export function segment(text) {
  if (typeof text !== "string" || ["", ".", ".."].includes(text)) {
    throw new TypeError(`${JSON.stringify(text)} is not the name of anything`);
  }
  return encodeURIComponent(text);
}

/**
 * @param {string} worker its slug, `owner/name` or `owner~name`
 * @param {string} [above]
 */
export function workerPath(worker, above = "/api/v2/workers") {
  if (typeof worker !== "string") return segment(worker);
  return `${above}/${segment(worker.replace("/", "~"))}`;
}

/**
 * Start a run; an answer that is lost is asked for again with the same idempotency key.
 *
 * @param {Connection} wire
 * @param {string} path
 * @param {import("./index.d.ts").RestartOptions} options
 * @param {object} [more] members of the body
 * @returns {Promise<string>} the slug of the run
 */
export async function start(wire, path, { callbackUrl, idempotencyKey, signal }, more = {}) {
  const id = idempotencyKey ?? crypto.randomUUID();
  if (!START_KEY.test(id)) {
    throw new TypeError("an idempotency key has 1 to 255 printable ASCII characters");
  }
  const headers = { "idempotency-key": id };
  const body = { ...more, callback_url: callbackUrl, is_async: true };
  return (await wire.call("POST", path, { body, headers, signal })).run_slug;
}

// --- the connection of a client -----------------------------------------------------------------

export const PAGE = 100; // entries of a list for each request

/**
 * Not a member of the client, so it is in no output of it.
 *
 * @type {WeakMap<object, Connection>}
 */
const wires = new WeakMap();

/**
 * @param {object} client
 * @param {Connection} wire
 */
export function use(client, wire) {
  wires.set(client, wire);
}

/** @param {object} client */
export function wireOf(client) {
  return /** @type {Connection} */ (wires.get(client));
}
