// Starts a run with each generated client, waits for its end and reads its rows.
// Arguments: address of the server, key, worker, input. Writes one JSON line for each version.

import createClient from "openapi-fetch";
import type { paths as Own } from "./own.js";
import type { paths as V1 } from "./v1.js";
import type { paths as V2 } from "./v2.js";

declare const process: { argv: string[] };

const [baseUrl = "", key = "", worker = "", input = "{}"] = process.argv.slice(2);
const custom: Record<string, unknown> = JSON.parse(input);

function known<T>(answer: { data?: T; error?: unknown }): T {
  if (answer.data === undefined) throw new Error(JSON.stringify(answer.error));
  return answer.data;
}

async function waitFor(ended: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 60_000;
  while (!(await ended())) {
    if (Date.now() > deadline) throw new Error("the run did not end");
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

type Found = { run: string; rows: Record<string, unknown>[] };

async function firstVersion(): Promise<Found> {
  const client = createClient<V1>({ baseUrl, headers: { "api-key": key } });
  const body = { scraper_slug: worker, input: { parameters: { custom } } };
  const run = known(await client.POST("/api/v1/scraper/run", { body })).data.run_slug;
  await waitFor(async () => {
    const answer = await client.POST("/api/v1/run/detail", { body: { run_slug: run } });
    return known(answer).data.status >= 3;
  });
  const page = known(await client.POST("/api/v1/run/result/list", { body: { run_slug: run } }));
  return { run, rows: page.data.list };
}

async function secondVersion(): Promise<Found> {
  const client = createClient<V2>({ baseUrl, headers: { authorization: `Bearer ${key}` } });
  const body = { input: { parameters: { custom } } };
  const path = { workerId: worker };
  const started = await client.POST("/api/v2/workers/{workerId}/runs", { params: { path }, body });
  const run = known(started).data.run_slug;
  const params = { path: { runId: run } };
  await waitFor(async () => {
    const answer = await client.GET("/api/v2/worker-runs/{runId}", { params });
    return ["succeeded", "failed", "aborted"].includes(known(answer).data.status);
  });
  const page = known(await client.GET("/api/v2/worker-runs/{runId}/result", { params }));
  return { run, rows: page.data.list };
}

const own = createClient<Own>({ baseUrl, headers: { authorization: `Bearer ${key}` } });
for (const { run, rows } of [await firstVersion(), await secondVersion()]) {
  const answer = await own.GET("/api/fyke/runs/{slug}", { params: { path: { slug: run } } });
  const { state, results } = known(answer).data;
  console.log(JSON.stringify({ rows, state, results }));
}
