// The main job with the installed client: publish, find, run, read, follow, export, repeat.
//
// Arguments: the folder of a project, the name for its Worker, a file for the export. FYKE_URL and
// FYKE_KEY name the server; SECRET verifies its callbacks. Prints what it saw as JSON.

import { createServer } from "node:http";

import { ApiError, Fyke, InvalidSignature, RunFailed, verifyWebhook } from "@fyke/client";

const [project, name, file] = process.argv.slice(2);
const fyke = new Fyke();
const seen = {};

/** The bodies of callbacks that are genuine, as they arrive. */
const callbacks = [];
const receiver = createServer(async (request, response) => {
  const parts = [];
  for await (const part of request) parts.push(part);
  const body = Buffer.concat(parts);
  const message = { body, headers: request.headers, secret: process.env.SECRET };
  callbacks.push(await verifyWebhook(message).catch((error) => ({ run_status: error.message })));
  response.writeHead(204).end(() => receiver.emit("called"));
});
await new Promise((resolve) => receiver.listen(0, "127.0.0.1", resolve));
const callbackUrl = `http://127.0.0.1:${receiver.address().port}/`;

const published = await fyke.pushWorker(project, { name, title: "A counter" });
const again = await fyke.pushWorker(project, { name: published.slug });
seen.versions = [published.version, again.version];
const worker = published.path;

seen.found = (await fyke.ownWorkers()).find(({ slug }) => slug === published.slug).path;
seen.others = await fyke.search("no such Worker");
seen.required = (await fyke.inputSchema(worker)).properties.map(({ name }) => name);
seen.detail = (await fyke.worker(worker)).version;

let slug;
const rows = await fyke.runAndCollect(
  worker,
  { count: 2500 },
  { system: { memory: 512 }, clean: true, callbackUrl, onStart: (run) => (slug = run) },
);
const run = await fyke.run(slug);
seen.run = [run.status, run.results];
seen.rows = [rows.length, rows[0], rows.at(-1)];
while (!callbacks.some(({ run_status }) => run_status === "succeeded")) {
  await new Promise((resolve) => receiver.once("called", resolve));
}
seen.callbacks = callbacks.map(({ run_status }) => run_status);
receiver.close();

const selected = fyke.rows(slug, { filter: ["n:lt:3"], sort: "-n", fields: ["n"], clean: true });
seen.selected = [];
for await (const row of selected) seen.selected.push(row);
seen.file = await fyke.exportTo(slug, file, { fields: ["n"] });
seen.log = [];
for await (const { content } of fyke.logs(slug)) seen.log.push(content);
seen.log = seen.log.filter((line) => line.startsWith("counted"));

// rows and log while the run goes on; it ends only by the abort
const endless = await fyke.start(worker, { count: 1, forever: true });
seen.followed = [];
for await (const { n } of fyke.followRows(endless)) {
  seen.followed.push(n, (await fyke.run(endless)).status);
  await fyke.abort(endless);
}
seen.aborted = (await fyke.wait(endless)).status;
seen.error = await fyke.collect(endless).catch((error) => error instanceof RunFailed);

const task = await fyke.createTask(worker, { count: 3 });
const first = await fyke.startTask(task);
const repeated = await fyke.collect(first, { fields: ["n"], clean: true });
const rerun = await fyke.wait(await fyke.rerun(first));
seen.task = [repeated, rerun.status];
const key = { idempotencyKey: `once-${task}` };
seen.once = (await fyke.startTask(task, key)) === (await fyke.startTask(task, key));
await fyke.deleteTask(task);
seen.runs = 0;
for await (const each of fyke.runs({ worker })) seen.runs += each.worker_slug === published.slug;

seen.balance = typeof (await fyke.accountInfo()).balance;
const error = await fyke.start(worker, { count: "many" }).catch((error) => error);
seen.refused = [error instanceof ApiError, error.code, error.requestId.length];
seen.field = error.details.some((line) => line.includes("count"));
const forged = { body: "{}", headers: {}, secret: process.env.SECRET };
seen.forged = await verifyWebhook(forged).catch((error) => error instanceof InvalidSignature);
console.log(JSON.stringify(seen));
