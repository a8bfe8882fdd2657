/** Methods of the client for Workers: find, read, publish, delete. */

import { segment, wireOf, workerPath } from "./connection.js";
import { archiveOf } from "./project.js";

const UPLOAD_MS = 300_000; // what an upload of 50 MiB may take longer than other requests
const SLUG = /^[0-9A-HJKMNP-TV-Z]{26}$/i;

/** @typedef {import("./index.d.ts").CallOptions} CallOptions */

export class WorkerCalls {
  /**
   * @param {string} text
   * @param {import("./index.d.ts").SearchOptions} [options]
   * @returns {Promise<import("./index.d.ts").CatalogWorker[]>}
   */
  async search(text, { limit = 10, browser, signal } = {}) {
    if (browser) {
      const query = { search: text, page_size: limit, browser };
      const { list } = await wireOf(this).call("GET", "/api/fyke/catalog", { query, signal });
      return list.map(catalogWorker);
    }
    const query = { search: text, limit };
    return (await wireOf(this).call("GET", "/api/store", { query, signal })).scraper;
  }

  /**
   * @param {string} worker
   * @param {CallOptions} [options]
   * @returns {Promise<import("./index.d.ts").WorkerDetail>}
   */
  async worker(worker, { signal } = {}) {
    return wireOf(this).call("GET", workerPath(worker), { signal });
  }

  /**
   * @param {string} worker
   * @param {CallOptions} [options]
   * @returns {Promise<import("./index.d.ts").InputSchema>}
   */
  async inputSchema(worker, { signal } = {}) {
    const path = `${workerPath(worker)}/input-schema`;
    return (await wireOf(this).call("GET", path, { signal })).input_schema;
  }

  /**
   * @param {CallOptions} [options]
   * @returns {Promise<import("./index.d.ts").Region[]>}
   */
  async regions({ signal } = {}) {
    return (await wireOf(this).call("GET", "/api/proxy/region", { signal })).list;
  }

  /**
   * @param {import("./index.d.ts").Project} project
   * @param {import("./index.d.ts").PushOptions} options
   * @returns {Promise<import("./index.d.ts").PublishedVersion>}
   */
  async pushWorker(project, options) {
    const { name, title, description, icon, categories, signal } = options;
    const form = new FormData();
    const { public: forAll, promote } = options;
    const fields = { title, description, icon, public: forAll, promote };
    for (const [member, value] of Object.entries(fields)) {
      if (value !== undefined) form.append(member, String(value));
    }
    for (const category of categories ?? []) form.append("categories", String(category));
    form.append("scraper_file", await archiveOf(project), "worker.zip");
    const path = `${workerPath(await fullName(this, name, signal))}/versions`;
    // the same files again publish nothing, so this can be repeated
    const request = { form, signal, extra: UPLOAD_MS };
    const published = await wireOf(this).call("POST", path, request);
    return { ...published, path: published.path.replace("~", "/") };
  }

  /**
   * @param {CallOptions} [options]
   * @returns {Promise<import("./index.d.ts").OwnWorker[]>}
   */
  async ownWorkers({ signal } = {}) {
    return (await wireOf(this).call("GET", "/api/fyke/workers", { signal })).list;
  }

  /**
   * @param {string} worker
   * @param {CallOptions} [options]
   * @returns {Promise<import("./index.d.ts").WorkerVersion[]>}
   */
  async versions(worker, { signal } = {}) {
    return (await wireOf(this).call("GET", `${ownPath(worker)}/versions`, { signal })).list;
  }

  /**
   * @param {string} worker
   * @param {CallOptions} [options]
   * @returns {Promise<number>}
   */
  async deleteWorker(worker, { signal } = {}) {
    const request = { signal, once: true };
    return (await wireOf(this).call("DELETE", ownPath(worker), request)).ended_runs;
  }

  /**
   * @param {string} worker
   * @param {import("./index.d.ts").EstimateOptions} [options]
   * @returns {Promise<import("./index.d.ts").Estimate>}
   */
  async estimate(worker, { version, subtasks, system, signal } = {}) {
    const query = { version, subtasks, ...system };
    return wireOf(this).call("GET", `${ownPath(worker)}/estimate`, { query, signal });
  }
}

/**
 * @param {WorkerCalls} client
 * @param {string} worker a name alone is one in the caller's account
 * @param {AbortSignal | undefined} signal
 */
async function fullName(client, worker, signal) {
  if (typeof worker !== "string") return segment(worker);
  if (/[/~]/.test(worker) || SLUG.test(worker)) return worker;
  const { name } = await wireOf(client).call("GET", "/api/fyke/account", { signal });
  return `${name}/${worker}`;
}

/** @param {string} worker */
function ownPath(worker) {
  return workerPath(worker, "/api/fyke/workers");
}

/** @param {{ slug: string, title: string, description: string, path: string }} item */
function catalogWorker({ slug, title, description, path }) {
  const [username, name] = path.split("/");
  return { slug, title, description, path, name, username };
}
