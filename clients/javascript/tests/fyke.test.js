import assert from "node:assert/strict";
import { test } from "node:test";

import { RunFailed } from "@fyke/client";
import { RUN, all, failure, lost, run, serve } from "./server.js";

const STARTED = { run_slug: RUN };

test("a run is started, waited for and its rows are collected", async (t) => {
  const page = { list: [{ n: 1 }, { n: 2 }], next_cursor: null };
  const answers = [STARTED, run("running"), run("succeeded", { results: 2 }), page];
  const { fyke, received } = await serve(t, ...answers);
  const started = [];
  const collected = await fyke.runAndCollect(
    "owner/hello",
    { urls: ["https://a.example/"] },
    { system: { memory: 1024 }, version: "v1.0.1", fields: ["n"], onStart: (s) => started.push(s) },
  );
  assert.deepEqual(collected, page.list);
  assert.deepEqual(started, [RUN]);
  const [start, first, , rows] = received;
  assert.deepEqual([start.method, start.path], ["POST", "/api/v2/workers/owner~hello/runs"]);
  const custom = { urls: ["https://a.example/"] };
  assert.deepEqual(start.json, {
    input: { parameters: { custom, system: { memory: 1024 } } },
    version: "v1.0.1",
    is_async: true,
  });
  assert.equal(`${first.path}?${first.query}`, `/api/v2/worker-runs/${RUN}?wait=30`);
  const selected = { fields: "n", run_slug: RUN, page_size: 1000, cursor: "*" };
  assert.deepEqual(rows.json, selected);
});

test("a run that does not succeed rejects with the run", async (t) => {
  const ended = run("failed", { err_msg: "The Worker exited with code 1" });
  const { fyke, received } = await serve(t, STARTED, ended);
  const error = await fyke.runAndCollect("owner/hello").catch((error) => error);
  assert.ok(error instanceof RunFailed);
  assert.deepEqual(error.run, ended);
  assert.equal(error.message, `run ${RUN} failed: The Worker exited with code 1`);
  assert.equal(received.length, 2);
});

test("an aborting run is waited for, over lost connections", async (t) => {
  const answers = [run("aborting"), lost, lost, lost, lost, run("aborted")];
  const { fyke, received } = await serve(t, ...answers);
  assert.equal((await fyke.wait(RUN)).status, "aborted");
  assert.equal(received.length, 6);
});

test("rows of all pages are read with a cursor", async (t) => {
  const first = { list: [{ n: 1, __coreclaw_data_id__: "9f2c61b0" }], next_cursor: "A" };
  const { fyke, received } = await serve(t, first, { list: [{ n: 2 }], next_cursor: null });
  const options = { pageSize: 1, sort: "-n", filter: ["n:gt:0"], clean: true, failedRows: true };
  assert.deepEqual(await all(fyke.rows(RUN, options)), [{ n: 1 }, { n: 2 }]);
  const shared = { sort: "-n", filter: ["n:gt:0"], clean: true, failed_rows: true };
  const sent = { ...shared, run_slug: RUN, page_size: 1 };
  const bodies = [{ ...sent, cursor: "*" }, { ...sent, cursor: "A" }];
  assert.deepEqual(received.map(({ json }) => json), bodies);
});

test("rows of a run that goes on end where they end now", async (t) => {
  const { fyke, received } = await serve(
    t,
    ...[{ list: [{ n: 1 }], next_cursor: "A" }, { list: [], next_cursor: "A" }],
  );
  assert.deepEqual(await all(fyke.rows(RUN)), [{ n: 1 }]);
  assert.equal(received.length, 2);
});

test("an iteration that is left asks for no further page", async (t) => {
  const { fyke, received } = await serve(t, { list: [{ n: 1 }, { n: 2 }], next_cursor: "A" });
  for await (const row of fyke.rows(RUN)) {
    assert.deepEqual(row, { n: 1 });
    break;
  }
  assert.equal(received.length, 1);
});

test("runs are read page by page with a cursor", async (t) => {
  const pages = [{ list: [{ slug: "A" }], next_cursor: "C" }, { list: [{ slug: "B" }], next_cursor: "" }];
  const { fyke, received } = await serve(t, ...pages);
  const found = await all(fyke.runs({ worker: "owner/hello", state: "failed" }));
  assert.deepEqual(found.map(({ slug }) => slug), ["A", "B"]);
  assert.deepEqual(received.map(({ path, query }) => `${path}?${query}`), [
    "/api/fyke/runs?worker=owner%2Fhello&state=failed&page_size=100",
    "/api/fyke/runs?worker=owner%2Fhello&state=failed&page_size=100&cursor=C",
  ]);
});

test("tasks are read page by page", async (t) => {
  const page = Array.from({ length: 100 }, (_, n) => ({ slug: `T${n}` }));
  const { fyke, received } = await serve(t, { list: page }, { list: [{ slug: "T" }] });
  assert.equal((await all(fyke.tasks({ keyword: "a b" }))).length, 101);
  assert.deepEqual(received.map(({ path, query }) => `${path}?${query}`), [
    "/api/v2/worker-tasks?keyword=a+b&offset=1&limit=100",
    "/api/v2/worker-tasks?keyword=a+b&offset=2&limit=100",
  ]);
});

test("Workers are found in the catalog, also by their use of a browser", async (t) => {
  const worker = { slug: "S", title: "Maps", description: "", path: "owner/maps" };
  const named = { ...worker, name: "maps", username: "owner" };
  const answers = [{ scraper: [named] }, { list: [{ ...worker, version: "v1" }] }];
  const { fyke, received } = await serve(t, ...answers);
  assert.deepEqual(await fyke.search("maps"), [named]);
  assert.deepEqual(await fyke.search("maps", { limit: 5, browser: "with" }), [named]);
  assert.deepEqual(received.map(({ path, query }) => `${path}?${query}`), [
    "/api/store?search=maps&limit=10",
    "/api/fyke/catalog?search=maps&page_size=5&browser=with",
  ]);
});

test("operations with one answer return what is in it", async (t) => {
  for (const [action, method, path, data, expected] of [
    [(fyke) => fyke.ownWorkers(), "GET", "/api/fyke/workers", { list: [1] }, [1]],
    [(fyke) => fyke.versions("o/w"), "GET", "/api/fyke/workers/o~w/versions", { list: [1] }, [1]],
    [(fyke) => fyke.deleteWorker("o/w"), "DELETE", "/api/fyke/workers/o~w", { ended_runs: 2 }, 2],
    [(fyke) => fyke.regions(), "GET", "/api/proxy/region", { list: [1] }, [1]],
    [(fyke) => fyke.events(RUN), "GET", `/api/fyke/runs/${RUN}/events`, { list: [1] }, [1]],
    [(fyke) => fyke.runSummary(RUN), "GET", `/api/fyke/runs/${RUN}`, { hidden: 1 }, { hidden: 1 }],
    [(fyke) => fyke.deleteRun(RUN), "DELETE", `/api/fyke/runs/${RUN}`, null, undefined],
    [(fyke) => fyke.account(), "GET", "/api/fyke/account", { name: "o" }, { name: "o" }],
    [(fyke) => fyke.checkedTask("T"), "GET", "/api/fyke/tasks/T", { fault: "" }, { fault: "" }],
    [
      (fyke) => fyke.estimate("o/w", { subtasks: 2, system: { memory: 512 } }),
      "GET",
      "/api/fyke/workers/o~w/estimate?subtasks=2&memory=512",
      { enough: false },
      { enough: false },
    ],
  ]) {
    const { fyke, received } = await serve(t, data);
    assert.deepEqual(await action(fyke), expected);
    const [request] = received;
    const query = request.query.size ? `?${request.query}` : "";
    assert.deepEqual([request.method, request.path + query], [method, path]);
  }
});

test("the log is read after the last known entry", async (t) => {
  const entries = Array.from({ length: 1000 }, (_, n) => ({ position: n + 1, content: `${n}` }));
  const { fyke, received } = await serve(t, { list: entries }, { list: [{ position: 1001 }] });
  const log = await all(fyke.logs(RUN));
  assert.deepEqual([log.length, log[1000].position], [1001, 1001]);
  assert.deepEqual(received.map(({ query }) => query.get("after")), ["0", "1000"]);
  assert.equal(received[0].path, `/api/fyke/runs/${RUN}/log`);
});

test("a run is read, aborted and started again", async (t) => {
  const { fyke, received } = await serve(t, run("running"), null, STARTED);
  assert.equal((await fyke.run(RUN)).status, "running");
  assert.equal(await fyke.abort(RUN), undefined);
  assert.equal(await fyke.rerun(RUN, { callbackUrl: "https://a.example/" }), RUN);
  const paths = ["", "/abort", "/rerun"].map((end) => `/api/v2/worker-runs/${RUN}${end}`);
  assert.deepEqual(received.map(({ path }) => path), paths);
  assert.deepEqual(received[2].json, { callback_url: "https://a.example/", is_async: true });
});

test("a task is created, changed, started and deleted", async (t) => {
  const { fyke, received } = await serve(t, { slug: "T" }, {}, {}, STARTED, null, { slug: "T" });
  assert.equal(await fyke.createTask("owner/hello", { a: 1 }), "T");
  await fyke.setTaskInput("T", { a: 2 });
  await fyke.updateTask("T", { title: "New" });
  assert.equal(await fyke.startTask("T"), RUN);
  await fyke.deleteTask("T");
  assert.deepEqual(await fyke.task("T"), { slug: "T" });
  const sent = received.map(({ method, path, json }) => [`${method} ${path.slice(20)}`, json]);
  assert.deepEqual(sent, [
    [
      "POST ",
      {
        worker_id: "owner/hello",
        title: "owner/hello",
        input: { parameters: { custom: { a: 1 } } },
        version: "latest",
      },
    ],
    ["PUT /T/input", { input: { parameters: { custom: { a: 2 } } } }],
    ["PUT /T", { title: "New" }],
    ["POST /T/runs", { is_async: true }],
    ["DELETE /T", undefined],
    ["GET /T", undefined],
  ]);
});

test("a task is scheduled", async (t) => {
  const list = { list: [], time_zone: "UTC" };
  const { fyke, received } = await serve(t, { kind: "daily" }, {}, {}, list, { list: [] }, list, null);
  const daily = { kind: "daily", time: "07:00" };
  assert.equal((await fyke.setSchedule("T", daily, { overlap: "skip" })).kind, "daily");
  await fyke.switchSchedule("T", { on: false });
  await fyke.schedule("T");
  await fyke.nextTimes("T", { count: 2, timing: daily });
  await fyke.fires("T");
  assert.equal(await fyke.setTimeZone("UTC"), "UTC");
  await fyke.deleteSchedule("T");
  const above = "/api/fyke/tasks/T/schedule";
  const sent = received.map(({ method, path, query }) => `${method} ${path} ${query}`.trim());
  assert.deepEqual(sent, [
    `PUT ${above}`,
    `POST ${above}/pause`,
    `GET ${above}`,
    `GET ${above}/next count=2&kind=daily&time=07%3A00`,
    `GET ${above}/fires page_index=1&page_size=20`,
    "PUT /api/fyke/account/time-zone",
    `DELETE ${above}`,
  ]);
  assert.deepEqual(received[0].json, { ...daily, overlap: "skip" });
  assert.deepEqual(received[5].json, { time_zone: "UTC" });
});

test("the page and the schema of a Worker are read", async (t) => {
  const schema = { properties: [{ name: "urls" }] };
  const { fyke, received } = await serve(t, { slug: "S" }, { input_schema: schema });
  assert.deepEqual(await fyke.worker("owner~hello"), { slug: "S" });
  assert.deepEqual(await fyke.inputSchema("owner/hello"), schema);
  assert.equal(received[1].path, "/api/v2/workers/owner~hello/input-schema");
});

test("a missing Worker is an error with its code", async (t) => {
  const { fyke } = await serve(t, failure(404, 50001, "worker does not exist"));
  await assert.rejects(fyke.inputSchema("owner/none"), { status: 404, code: 50001 });
});
