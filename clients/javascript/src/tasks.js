/** Methods of the client for saved tasks and their schedules. */

import { PAGE, segment, start, wireOf } from "./connection.js";
import { WorkerCalls } from "./workers.js";

const TASKS = "/api/v2/worker-tasks";

/** @typedef {import("./index.d.ts").CallOptions} CallOptions */
/** @typedef {import("./index.d.ts").Schedule} Schedule */

export class TaskCalls extends WorkerCalls {
  /**
   * @param {string} worker
   * @param {Record<string, unknown>} input
   * @param {import("./index.d.ts").TaskOptions} [options]
   * @returns {Promise<string>}
   */
  async createTask(worker, input, options = {}) {
    const { system, title = worker, version = "latest", description, signal } = options;
    const parameters = { custom: input, system };
    const body = { worker_id: worker, title, input: { parameters }, version, description };
    return (await wireOf(this).call("POST", TASKS, { body, signal, once: true })).slug;
  }

  /**
   * @param {import("./index.d.ts").TaskListOptions} [options]
   * @returns {AsyncGenerator<import("./index.d.ts").WorkerTask, void, void>}
   */
  async *tasks({ worker, keyword, signal } = {}) {
    for (let offset = 1; ; offset++) {
      const query = { worker_id: worker, keyword, offset, limit: PAGE };
      const { list } = await wireOf(this).call("GET", TASKS, { query, signal });
      yield* list;
      if (list.length < PAGE) return;
    }
  }

  /**
   * @param {string} task
   * @param {CallOptions} [options]
   * @returns {Promise<import("./index.d.ts").WorkerTask>}
   */
  async task(task, { signal } = {}) {
    return wireOf(this).call("GET", taskPath(task), { signal });
  }

  /**
   * @param {string} task
   * @param {CallOptions} [options]
   * @returns {Promise<import("./index.d.ts").CheckedTask>}
   */
  async checkedTask(task, { signal } = {}) {
    return wireOf(this).call("GET", `/api/fyke/tasks/${segment(task)}`, { signal });
  }

  /**
   * @param {string} task
   * @param {import("./index.d.ts").TaskChanges} changes
   * @returns {Promise<void>}
   */
  async updateTask(task, { title, description, signal }) {
    await wireOf(this).call("PUT", taskPath(task), { body: { title, description }, signal });
  }

  /**
   * @param {string} task
   * @param {Record<string, unknown>} input
   * @param {import("./index.d.ts").TaskInputOptions} [options]
   * @returns {Promise<void>}
   */
  async setTaskInput(task, input, { system, version, signal } = {}) {
    const body = { input: { parameters: { custom: input, system } }, version };
    await wireOf(this).call("PUT", `${taskPath(task)}/input`, { body, signal });
  }

  /**
   * @param {string} task
   * @param {CallOptions} [options]
   * @returns {Promise<void>}
   */
  async deleteTask(task, { signal } = {}) {
    await wireOf(this).call("DELETE", taskPath(task), { signal, once: true });
  }

  /**
   * @param {string} task
   * @param {import("./index.d.ts").RestartOptions} [options]
   */
  async startTask(task, options = {}) {
    return start(wireOf(this), `${taskPath(task)}/runs`, options);
  }

  // --- schedules --------------------------------------------------------------------------------

  /**
   * @param {string} task
   * @param {import("./index.d.ts").Timing} timing
   * @param {import("./index.d.ts").ScheduleOptions} [options]
   * @returns {Promise<Schedule>}
   */
  async setSchedule(task, timing, { overlap, enabled, signal } = {}) {
    const body = { ...timing, overlap, enabled };
    return wireOf(this).call("PUT", schedulePath(task), { body, signal });
  }

  /**
   * @param {string} task
   * @param {{ on: boolean } & CallOptions} options
   * @returns {Promise<Schedule>}
   */
  async switchSchedule(task, { on, signal }) {
    const path = `${schedulePath(task)}/${on ? "resume" : "pause"}`;
    return wireOf(this).call("POST", path, { body: {}, signal, once: true });
  }

  /**
   * @param {string} task
   * @param {CallOptions} [options]
   * @returns {Promise<Schedule>}
   */
  async schedule(task, { signal } = {}) {
    return wireOf(this).call("GET", schedulePath(task), { signal });
  }

  /**
   * @param {string} task
   * @param {CallOptions} [options]
   * @returns {Promise<void>}
   */
  async deleteSchedule(task, { signal } = {}) {
    await wireOf(this).call("DELETE", schedulePath(task), { signal, once: true });
  }

  /**
   * @param {string} task
   * @param {import("./index.d.ts").NextTimesOptions} [options]
   * @returns {Promise<import("./index.d.ts").NextTimes>}
   */
  async nextTimes(task, { count = 10, timing, signal } = {}) {
    const query = { count, ...timing };
    return wireOf(this).call("GET", `${schedulePath(task)}/next`, { query, signal });
  }

  /**
   * @param {string} task
   * @param {import("./index.d.ts").PageOptions} [options]
   * @returns {Promise<import("./index.d.ts").Fires>}
   */
  async fires(task, { pageIndex = 1, pageSize = 20, signal } = {}) {
    const query = { page_index: pageIndex, page_size: pageSize };
    return wireOf(this).call("GET", `${schedulePath(task)}/fires`, { query, signal });
  }

  /**
   * @param {string} timeZone
   * @param {CallOptions} [options]
   * @returns {Promise<string>}
   */
  async setTimeZone(timeZone, { signal } = {}) {
    const body = { time_zone: timeZone };
    const path = "/api/fyke/account/time-zone";
    return (await wireOf(this).call("PUT", path, { body, signal })).time_zone;
  }
}

/** @param {string} task */
function taskPath(task) {
  return `${TASKS}/${segment(task)}`;
}

/** @param {string} task */
function schedulePath(task) {
  return `/api/fyke/tasks/${segment(task)}/schedule`;
}
