/**
 * The client: one method for each operation. What each does is documented in `index.d.ts`. Methods
 * for Workers are in `workers.js`, those for tasks in `tasks.js`.
 */

import { Connection, PAGE, segment, start, use, wireOf, workerPath } from "./connection.js";
import { sleep } from "./deadline.js";
import { ApiError, RunFailed } from "./errors.js";
import { follow } from "./events.js";
import { formatOf, save, written } from "./exports.js";
import { TaskCalls } from "./tasks.js";

/** @typedef {import("./index.d.ts").StartOptions} StartOptions */
/** @typedef {import("./index.d.ts").RowOptions} RowOptions */
/** @typedef {import("./index.d.ts").CallOptions} CallOptions */
/** @typedef {import("./index.d.ts").LogEntry} LogEntry */

const RUNS = "/api/v2/worker-runs";
const OWN_RUNS = "/api/fyke/runs";
const ENDED = new Set(["succeeded", "failed", "aborted"]);
const WAIT_SECONDS = 30; // proxies between client and server often end what takes a minute
const ROW_PAGE = 1000;
const LOG_PAGE = 1000;
const ROW_ID = "__coreclaw_data_id__";

export class Fyke extends TaskCalls {
  /** @param {import("./index.d.ts").FykeOptions} [options] */
  constructor(options = {}) {
    super();
    use(this, new Connection(options));
  }

  // --- runs -------------------------------------------------------------------------------------

  /**
   * @param {string} worker
   * @param {Record<string, unknown>} [input]
   * @param {import("./index.d.ts").RunAndCollectOptions} [options]
   */
  async runAndCollect(worker, input = {}, options = {}) {
    const run = await this.start(worker, input, options);
    options.onStart?.(run);
    return this.collect(run, options);
  }

  /**
   * @param {string} run
   * @param {RowOptions & CallOptions} [options]
   * @returns {Promise<any[]>}
   */
  async collect(run, options = {}) {
    const ended = await this.wait(run, options);
    if (ended.status !== "succeeded") throw new RunFailed(ended);
    const rows = [];
    for await (const row of this.rows(run, options)) rows.push(row);
    return rows;
  }

  /**
   * @param {string} worker
   * @param {Record<string, unknown>} [input]
   * @param {StartOptions} [options]
   */
  async start(worker, input = {}, options = {}) {
    const { system, version } = options;
    return start(wireOf(this), `${workerPath(worker)}/runs`, options, {
      input: { parameters: { custom: input, system } },
      version,
    });
  }

  /**
   * @param {string} run
   * @param {import("./index.d.ts").RestartOptions} [options]
   */
  async rerun(run, options = {}) {
    return start(wireOf(this), `${RUNS}/${segment(run)}/rerun`, options);
  }

  /**
   * @param {string} run
   * @param {CallOptions} [options]
   * @returns {Promise<import("./index.d.ts").WorkerRun>}
   */
  async run(run, { signal } = {}) {
    return wireOf(this).call("GET", `${RUNS}/${segment(run)}`, { signal });
  }

  /**
   * @param {string} run
   * @param {CallOptions} [options]
   * @returns {Promise<import("./index.d.ts").RunSummary>}
   */
  async runSummary(run, { signal } = {}) {
    return wireOf(this).call("GET", `${OWN_RUNS}/${segment(run)}`, { signal });
  }

  /**
   * @param {import("./index.d.ts").RunListOptions} [options]
   * @returns {AsyncGenerator<import("./index.d.ts").RunItem, void, void>}
   */
  async *runs({ worker, state, reason, signal } = {}) {
    let cursor;
    do {
      const query = { worker, state, reason, page_size: PAGE, cursor };
      const page = await wireOf(this).call("GET", OWN_RUNS, { query, signal });
      yield* page.list;
      cursor = page.next_cursor;
    } while (cursor);
  }

  /**
   * @param {string} run
   * @param {CallOptions} [options]
   * @returns {Promise<import("./index.d.ts").WorkerRun>}
   */
  async wait(run, { signal } = {}) {
    const path = `${RUNS}/${segment(run)}`;
    const query = { wait: WAIT_SECONDS };
    for (;;) {
      const request = { query, signal, extra: WAIT_SECONDS * 1000, patient: true };
      const asked = Date.now();
      const current = await wireOf(this).call("GET", path, request);
      if (ENDED.has(current.status)) return current;
      // a server that is being stopped answers at once
      if (Date.now() - asked < 1000) await sleep(wireOf(this).pause(1), signal);
    }
  }

  /**
   * @param {string} run
   * @param {CallOptions} [options]
   * @returns {Promise<void>}
   */
  async abort(run, { signal } = {}) {
    await wireOf(this).call("POST", `${RUNS}/${segment(run)}/abort`, { body: {}, signal });
  }

  /**
   * @param {string} run
   * @param {CallOptions} [options]
   * @returns {Promise<void>}
   */
  async deleteRun(run, { signal } = {}) {
    await wireOf(this).call("DELETE", `${OWN_RUNS}/${segment(run)}`, { signal, once: true });
  }

  /**
   * @param {string} run
   * @param {CallOptions} [options]
   * @returns {Promise<import("./index.d.ts").RunHistoryItem[]>}
   */
  async events(run, { signal } = {}) {
    const path = `${OWN_RUNS}/${segment(run)}/events`;
    return (await wireOf(this).call("GET", path, { signal })).list;
  }

  /**
   * @param {string} run
   * @param {CallOptions} [options]
   * @returns {AsyncGenerator<LogEntry, void, void>}
   */
  async *logs(run, { signal } = {}) {
    const path = `${OWN_RUNS}/${segment(run)}/log`;
    for (let after = 0; ; ) {
      const query = { after, limit: LOG_PAGE };
      const { list } = await wireOf(this).call("GET", path, { query, signal });
      yield* list;
      if (list.length < LOG_PAGE) return;
      after = list.at(-1).position;
    }
  }

  /**
   * @param {string} run
   * @param {import("./index.d.ts").FollowOptions} [options]
   * @returns {AsyncGenerator<any, void, void>}
   */
  follow(run, options = {}) {
    return follow(wireOf(this), run, options);
  }

  /**
   * @param {string} run
   * @param {CallOptions} [options]
   * @returns {AsyncGenerator<any, void, void>}
   */
  async *followRows(run, { signal } = {}) {
    for await (const { kind, data } of this.follow(run, { kinds: ["rows"], signal })) {
      if (kind !== "rows") continue;
      for (const { row } of data.list) yield withoutId(row);
    }
  }

  /**
   * @param {string} run
   * @param {CallOptions} [options]
   * @returns {AsyncGenerator<LogEntry, void, void>}
   */
  async *followLogs(run, { signal } = {}) {
    for await (const { kind, data } of this.follow(run, { kinds: ["log"], signal })) {
      if (kind === "log") yield* data.list;
    }
  }

  // --- rows -------------------------------------------------------------------------------------

  /**
   * @param {string} run
   * @param {import("./index.d.ts").RowIteratorOptions} [options]
   * @returns {AsyncGenerator<any, void, void>}
   */
  async *rows(run, options = {}) {
    const { pageSize = ROW_PAGE, signal } = options;
    // v1, because a page of v2 has at most 100 rows
    const request = { ...selection(options), run_slug: run, page_size: pageSize };
    for (let cursor = "*"; ; ) {
      const body = { ...request, cursor };
      const page = await wireOf(this).call("POST", "/api/v1/run/result/list", { body, signal });
      for (const row of page.list) yield withoutId(row);
      // while a run goes on, the cursor stays at its last row
      if (!page.next_cursor || page.next_cursor === cursor) return;
      cursor = page.next_cursor;
    }
  }

  /**
   * @param {string} run
   * @param {import("./index.d.ts").ExportOptions} [options]
   * @returns {Promise<string>}
   */
  async export(run, options = {}) {
    const { format, keys, safe, bom, signal } = options;
    const query = { ...selection(options), format, filter_keys: keys, safe, bom };
    const path = `${RUNS}/${segment(run)}/result/export`;
    return (await wireOf(this).call("GET", path, { query, signal })).download_url;
  }

  /**
   * @param {string} run
   * @param {string} path
   * @param {import("./index.d.ts").ExportOptions} [options]
   * @returns {Promise<string>}
   */
  async exportTo(run, path, options = {}) {
    const format = options.format ?? formatOf(path);
    const link = await this.export(run, { ...options, format });
    await save(wireOf(this), link, path, options.signal);
    return path;
  }

  /**
   * @param {string} run
   * @param {string} [path]
   * @param {import("./index.d.ts").DiagnoseOptions} [options]
   * @returns {Promise<string>}
   */
  async diagnose(run, path = `${run}-diagnosis.zip`, { picture, signal } = {}) {
    const at = `${OWN_RUNS}/${segment(run)}/diagnosis`;
    const request = { query: { picture }, signal };
    await written(path, (write) => wireOf(this).file(at, request, write));
    return path;
  }

  // --- account and server -----------------------------------------------------------------------

  /**
   * @param {CallOptions} [options]
   * @returns {Promise<import("./index.d.ts").AccountInfo>}
   */
  async accountInfo({ signal } = {}) {
    return wireOf(this).call("GET", "/api/v2/users/account", { signal });
  }

  /**
   * @param {CallOptions} [options]
   * @returns {Promise<import("./index.d.ts").OwnAccount>}
   */
  async account({ signal } = {}) {
    return wireOf(this).call("GET", "/api/fyke/account", { signal });
  }

  /**
   * @param {CallOptions} [options]
   * @returns {Promise<string>}
   */
  async version({ signal } = {}) {
    return (await wireOf(this).call("GET", "/version", { signal })).version;
  }

  /** @param {CallOptions} [options] */
  async ready(options = {}) {
    return !(await this.notReady(options));
  }

  /**
   * @param {CallOptions} [options]
   * @returns {Promise<string>}
   */
  async notReady({ signal } = {}) {
    try {
      await wireOf(this).call("GET", "/readyz", { signal });
      return "";
    } catch (error) {
      if (!(error instanceof ApiError && error.status === 503)) throw error;
      return /: (.+)/s.exec(error.message)?.[1] ?? error.message;
    }
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {import("./index.d.ts").RequestOptions} [options]
   * @returns {Promise<any>}
   */
  async request(method, path, { body, query, extraTime, idempotencyKey, signal } = {}) {
    const once = !["GET", "PUT"].includes(method) && idempotencyKey === undefined;
    const headers = idempotencyKey === undefined ? undefined : { "idempotency-key": idempotencyKey };
    const request = { body, query, headers, signal, once, extra: extraTime };
    return wireOf(this).call(method, path, request);
  }
}

/**
 * @param {Record<string, unknown>} row
 * @returns {Record<string, unknown>} what the Worker pushed
 */
function withoutId({ [ROW_ID]: _, ...row }) {
  return row;
}

/** @param {RowOptions} options */
function selection({ fields, clean, flatten, sort, filter, failedRows }) {
  const names = fields?.join(",");
  return { fields: names, clean, flatten, sort, filter, failed_rows: failedRows };
}
