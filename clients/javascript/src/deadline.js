/** A time limit that can be moved, together with the signal of the caller. */

const LATE = new Error("the time limit of the request has passed");

/**
 * @param {number} ms
 * @param {AbortSignal | undefined} signal ends the pause early: rejects with its reason
 * @returns {Promise<void>}
 */
export function sleep(ms, signal) {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, ms);
    if (signal?.aborted) stop();
    else signal?.addEventListener("abort", stop, { once: true });
  });
}

/**
 * `signal` fires when the limit has passed or the caller's signal fires. AbortSignal.any would do
 * the same, but leaves something behind at a long-lived signal of the caller with each request.
 */
export class Deadline {
  #controller = new AbortController();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #outer;
  #follow = () => this.#controller.abort(this.#outer?.reason);

  /**
   * @param {number} ms
   * @param {AbortSignal | undefined} outer
   */
  constructor(ms, outer) {
    this.#outer = outer;
    if (outer?.aborted) this.#follow();
    else outer?.addEventListener("abort", this.#follow, { once: true });
    this.restart(ms);
  }

  get signal() {
    return this.#controller.signal;
  }

  /** Whether the limit has passed. */
  get passed() {
    return this.signal.reason === LATE;
  }

  /** @param {number} ms from now */
  restart(ms) {
    this.pause();
    this.#timer = setTimeout(() => this.#controller.abort(LATE), ms);
  }

  /** Without a limit until the next restart. */
  pause() {
    clearTimeout(this.#timer);
  }

  close() {
    this.pause();
    this.#outer?.removeEventListener("abort", this.#follow);
  }
}
