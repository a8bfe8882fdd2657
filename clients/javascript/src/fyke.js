/** The client: one method for each operation. What each does is documented in `index.d.ts`. */

import { Connection, segment, workerPath } from "./connection.js";
import { sleep } from "./deadline.js";
import { RunFailed } from "./errors.js";
import { follow } from "./events.js";
import { formatOf, save, written } from "./exports.js";
import { archiveOf } from "./project.js";

/** @typedef {import("./index.d.ts").StartOptions} StartOptions */
/** @typedef {import("./index.d.ts").RowOptions} RowOptions */
/** @typedef {import("./index.d.ts").CallOptions} CallOptions */

const RUNS = "/api/v2/worker-runs";
const TASKS = "/api/v2/worker-tasks";
const ENDED = new Set(["succeeded", "failed", "aborted"]);
const WAIT_SECONDS = 30; // proxies between client and server often end what takes a minute
const UPLOAD_MS = 300_000; // what an upload of 50 MiB may take longer than other requests
const PAGE = 100;
const ROW_PAGE = 1000;
const LOG_PAGE = 1000;
const START_KEY = /^[\x21-\x7e]([\x20-\x7e]{0,253}[\x21-\x7e])?$/; // fetch cuts outer spaces off
const ROW_ID = "__coreclaw_data_id__";
const SLUG = /^[0-9A-HJKMNP-TV-Z]{26}$/i;

export class Fyke {
  #wire;

  /** @param {import("./index.d.ts").FykeOptions} [options] */
  constructor(options = {}) {
    this.#wire = new Connection(options);
  }

  // --- runs -------------------------------------------------------------------------------------

  /**
   * @param {string} worker
   * @param {Record<string, unknown>} [input]
   * @param {import("./index.d.ts").RunAndCollectOptions} [options]
   */
  async runAndCollect(worker, input = {}, options = {}) {
    const slug = await this.start(worker, input, options);
    options.onStart?.(slug);
    return this.collect(slug, options);
  }

  /**
   * @param {string} run
   * @param {RowOptions & CallOptions} [options]
   */
  async collect(run, options = {}) {
    const ended = await this.wait(run, options);
    if (ended.status !== "succeeded") throw new RunFailed(ended);
    const rows = [];
    for await (const row of this.rows(run, options)) rows.push(row);
    return { run: ended, rows };
  }

  /**
   * @param {string} worker
   * @param {Record<string, unknown>} [input]
   * @param {StartOptions} [options]
   */
  async start(worker, input = {}, options = {}) {
    const { system, version } = options;
    return this.#start(`${workerPath(worker)}/runs`, options, {
      input: { parameters: { custom: input, system } },
      version,
    });
  }

  /**
   * @param {string} run
   * @param {import("./index.d.ts").RestartOptions} [options]
   */
  async rerun(run, options = {}) {
    return this.#start(`${RUNS}/${segment(run)}/rerun`, options);
  }

  /**
   * @param {string} run
   * @param {CallOptions} [options]
   * @returns {Promise<import("./index.d.ts").WorkerRun>}
   */
  async run(run, { signal } = {}) {
    return this.#wire.call("GET", `${RUNS}/${segment(run)}`, { signal });
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
      const current = await this.#wire.call("GET", path, request);
      if (ENDED.has(current.status)) return current;
      // a server that is being stopped answers at once
      if (Date.now() - asked < 1000) await sleep(this.#wire.pause(1), signal);
    }
  }

  /**
   * @param {string} run
   * @param {CallOptions} [options]
   * @returns {Promise<void>}
   */
  async abort(run, { signal } = {}) {
    await this.#wire.call("POST", `${RUNS}/${segment(run)}/abort`, { body: {}, signal });
  }

  /**
   * @param {import("./index.d.ts").RunListOptions} [options]
   * @returns {AsyncGenerator<import("./index.d.ts").WorkerRun, void, void>}
   */
  runs({ worker, status, startTime, endTime, signal } = {}) {
    const query = { worker_id: worker, status, start_time: startTime, end_time: endTime };
    return this.#pages(RUNS, query, signal);
  }

  /**
   * @param {string} run
   * @param {import("./index.d.ts").EventOptions} [options]
   * @returns {AsyncGenerator<any, void, void>}
   */
  events(run, options = {}) {
    return follow(this.#wire, run, options);
  }

  /**
   * @param {string} run
   * @param {import("./index.d.ts").LogOptions} [options]
   * @returns {AsyncGenerator<import("./index.d.ts").LogEntry, void, void>}
   */
  async *logs(run, options = {}) {
    const { signal } = options;
    if (options.follow) {
      for await (const { event, data } of this.events(run, { kinds: ["log"], signal })) {
        if (event === "log") yield* data.list;
      }
      return;
    }
    const path = `/api/fyke/runs/${segment(run)}/log`;
    for (let after = 0; ; ) {
      const query = { after, limit: LOG_PAGE };
      const { list } = await this.#wire.call("GET", path, { query, signal });
      yield* list;
      if (list.length < LOG_PAGE) return;
      after = list.at(-1).position;
    }
  }

  // --- rows -------------------------------------------------------------------------------------

  /**
   * @param {string} run
   * @param {import("./index.d.ts").RowIteratorOptions} [options]
   * @returns {AsyncGenerator<any, void, void>}
   */
  async *rows(run, options = {}) {
    const { signal } = options;
    const query = selection(options);
    if (options.follow) {
      if (Object.values(query).some((value) => value !== undefined)) {
        throw new TypeError("rows that are followed come as they are stored, without a selection");
      }
      for await (const { event, data } of this.events(run, { kinds: ["rows"], signal })) {
        if (event !== "rows") continue;
        for (const { row } of data.list) yield withoutId(row);
      }
      return;
    }
    // v1, because a page of v2 has at most 100 rows
    const request = { ...query, run_slug: run, page_size: options.pageSize ?? ROW_PAGE };
    for (let cursor = "*"; ; ) {
      const body = { ...request, cursor };
      const page = await this.#wire.call("POST", "/api/v1/run/result/list", { body, signal });
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
  async exportLink(run, options = {}) {
    const { format, filterKeys, safe, bom, signal } = options;
    const query = { ...selection(options), format, filter_keys: filterKeys, safe, bom };
    const path = `${RUNS}/${segment(run)}/result/export`;
    return (await this.#wire.call("GET", path, { query, signal })).download_url;
  }

  /**
   * @param {string} run
   * @param {string} file
   * @param {import("./index.d.ts").ExportOptions} [options]
   */
  async exportToFile(run, file, options = {}) {
    const format = options.format ?? formatOf(file);
    const link = await this.exportLink(run, { ...options, format });
    return save(this.#wire, link, file, options.signal);
  }

  /**
   * @param {string} run
   * @param {string} [file]
   * @param {import("./index.d.ts").DiagnoseOptions} [options]
   * @returns {Promise<number>}
   */
  async diagnose(run, file = `${run}-diagnosis.zip`, { picture, signal } = {}) {
    const path = `/api/fyke/runs/${segment(run)}/diagnosis`;
    const request = { query: { picture }, signal };
    return written(file, (write) => this.#wire.file(path, request, write));
  }

  // --- Workers ----------------------------------------------------------------------------------

  /**
   * @param {import("./index.d.ts").SearchOptions} [options]
   * @returns {AsyncGenerator<import("./index.d.ts").CatalogWorker, void, void>}
   */
  catalog({ keyword, signal } = {}) {
    return this.#pages("/api/v2/store", { keyword }, signal);
  }

  /**
   * @param {import("./index.d.ts").SearchOptions} [options]
   * @returns {AsyncGenerator<import("./index.d.ts").CatalogWorker, void, void>}
   */
  workers({ keyword, signal } = {}) {
    return this.#pages("/api/v2/workers", { keyword }, signal);
  }

  /**
   * @param {string} worker
   * @param {CallOptions} [options]
   * @returns {Promise<import("./index.d.ts").WorkerDetail>}
   */
  async worker(worker, { signal } = {}) {
    return this.#wire.call("GET", workerPath(worker), { signal });
  }

  /**
   * @param {string} worker
   * @param {CallOptions} [options]
   * @returns {Promise<import("./index.d.ts").InputSchema>}
   */
  async inputSchema(worker, { signal } = {}) {
    const path = `${workerPath(worker)}/input-schema`;
    return (await this.#wire.call("GET", path, { signal })).input_schema;
  }

  /**
   * @param {string} worker
   * @param {import("./index.d.ts").Project} project
   * @param {import("./index.d.ts").PublishOptions} [options]
   * @returns {Promise<import("./index.d.ts").PublishedVersion>}
   */
  async publish(worker, project, options = {}) {
    const { title, description, icon, categories, signal } = options;
    const form = new FormData();
    const fields = { title, description, icon, public: options.public };
    for (const [name, value] of Object.entries(fields)) {
      if (value !== undefined) form.append(name, String(value));
    }
    for (const category of categories ?? []) form.append("categories", String(category));
    form.append("scraper_file", await archiveOf(project), "worker.zip");
    const path = `${workerPath(await this.#fullName(worker, signal))}/versions`;
    // the same files again publish nothing, so this can be repeated
    return this.#wire.call("POST", path, { form, signal, extra: UPLOAD_MS });
  }

  // --- tasks ------------------------------------------------------------------------------------

  /**
   * @param {import("./index.d.ts").TaskListOptions} [options]
   * @returns {AsyncGenerator<import("./index.d.ts").WorkerTask, void, void>}
   */
  tasks({ worker, keyword, signal } = {}) {
    return this.#pages(TASKS, { worker_id: worker, keyword }, signal);
  }

  /**
   * @param {string} task
   * @param {CallOptions} [options]
   * @returns {Promise<import("./index.d.ts").WorkerTask>}
   */
  async task(task, { signal } = {}) {
    return this.#wire.call("GET", `${TASKS}/${segment(task)}`, { signal });
  }

  /**
   * @param {import("./index.d.ts").NewTask} task
   * @param {CallOptions} [options]
   * @returns {Promise<string>}
   */
  async createTask(task, { signal } = {}) {
    const { worker, title = worker, input = {}, system, version = "latest", description } = task;
    const parameters = { custom: input, system };
    const body = { worker_id: worker, title, input: { parameters }, version, description };
    return (await this.#wire.call("POST", TASKS, { body, signal, once: true })).slug;
  }

  /**
   * @param {string} task
   * @param {import("./index.d.ts").TaskChanges} changes
   * @param {CallOptions} [options]
   * @returns {Promise<void>}
   */
  async updateTask(task, changes, { signal } = {}) {
    const { title, description, input, system, version } = changes;
    const path = `${TASKS}/${segment(task)}`;
    if (input !== undefined) {
      const body = { input: { parameters: { custom: input, system } }, version };
      await this.#wire.call("PUT", `${path}/input`, { body, signal });
    } else if (system !== undefined || version !== undefined) {
      throw new TypeError("system and version of a task are changed together with its input");
    }
    if (title !== undefined || description !== undefined) {
      await this.#wire.call("PUT", path, { body: { title, description }, signal });
    }
  }

  /**
   * @param {string} task
   * @param {CallOptions} [options]
   * @returns {Promise<void>}
   */
  async deleteTask(task, { signal } = {}) {
    await this.#wire.call("DELETE", `${TASKS}/${segment(task)}`, { signal, once: true });
  }

  /**
   * @param {string} task
   * @param {import("./index.d.ts").RestartOptions} [options]
   */
  async startTask(task, options = {}) {
    return this.#start(`${TASKS}/${segment(task)}/runs`, options);
  }

  // --- account ----------------------------------------------------------------------------------

  /**
   * @param {CallOptions} [options]
   * @returns {Promise<import("./index.d.ts").Balance>}
   */
  async balance({ signal } = {}) {
    return this.#wire.call("GET", "/api/v2/users/account", { signal });
  }

  // --- requests ---------------------------------------------------------------------------------

  /**
   * Start a run; an answer that is lost is asked for again with the same idempotency key.
   *
   * @param {string} path
   * @param {import("./index.d.ts").RestartOptions} options
   * @param {object} [more] members of the body
   * @returns {Promise<string>}
   */
  async #start(path, { callbackUrl, idempotencyKey, signal }, more = {}) {
    const id = idempotencyKey ?? crypto.randomUUID();
    if (!START_KEY.test(id)) {
      throw new TypeError("an idempotency key has 1 to 255 printable ASCII characters");
    }
    const headers = { "idempotency-key": id };
    const body = { ...more, callback_url: callbackUrl, is_async: true };
    return (await this.#wire.call("POST", path, { body, headers, signal })).run_slug;
  }

  /**
   * The entries of all pages, one page at a time.
   *
   * @param {string} path
   * @param {Record<string, unknown>} query
   * @param {AbortSignal | undefined} signal
   * @returns {AsyncGenerator<any, void, void>}
   */
  async *#pages(path, query, signal) {
    for (let offset = 1; ; offset++) {
      const request = { query: { ...query, offset, limit: PAGE }, signal };
      const { list } = await this.#wire.call("GET", path, request);
      yield* list;
      if (list.length < PAGE) return;
    }
  }

  /**
   * @param {string} worker a name alone is one in the caller's account
   * @param {AbortSignal | undefined} signal
   */
  async #fullName(worker, signal) {
    if (/[/~]/.test(worker) || SLUG.test(worker)) return worker;
    const { name } = await this.#wire.call("GET", "/api/fyke/account", { signal });
    return `${name}/${worker}`;
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
