/** A server on loopback that answers as a test says, and records what it received. */

import { createServer } from "node:http";

import { Fyke } from "@fyke/client";

export const KEY = "scraper_api_01KJXSR49GEMBEZZ5FZDPVNBWK";
export const RUN = "01KSFDS8XWTJME33C08XMCR6B9";

/** @typedef {{ method: string, path: string, query: URLSearchParams, headers: any, body: Buffer, json: any }} Received */

/**
 * Start a server until the end of the test. Each request gets the next of `answers`, the last one
 * repeatedly: data for the envelope, a Response of `answer` or `failure`, or a function that gets
 * the raw request and response.
 */
export async function serve(test, ...answers) {
  const received = /** @type {Received[]} */ ([]);
  const server = createServer(async (request, response) => {
    const parts = [];
    for await (const part of request) parts.push(part);
    const body = Buffer.concat(parts);
    const url = new URL(request.url, "http://localhost");
    const isJson = request.headers["content-type"] === "application/json";
    received.push({
      method: request.method,
      path: url.pathname,
      query: url.searchParams,
      headers: request.headers,
      body,
      json: isJson ? JSON.parse(body.toString()) : undefined,
    });
    const next = answers.length > 1 ? answers.shift() : answers[0];
    await (typeof next === "function" ? next : answer(next))(response, received.at(-1));
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  test.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const url = `http://127.0.0.1:${server.address().port}`;
  const client = (options = {}) => new Fyke({ url, key: KEY, retryDelay: 1, ...options });
  return { url, received, fyke: client(), client };
}

export function answer(data, headers = {}) {
  return (response) => {
    response.writeHead(200, { "content-type": "application/json", ...headers });
    response.end(JSON.stringify({ code: 0, message: "success", request_id: "R1", data }));
  };
}

export function failure(status, code, message, headers = {}, details = null) {
  return (response) => {
    response.writeHead(status, { "content-type": "application/json", ...headers });
    response.end(JSON.stringify({ code, message, request_id: "R2", details }));
  };
}

/** Ends the connection without an answer. */
export function lost(response) {
  response.destroy();
}

/** Never answers. */
export function silent() {}

/** Sends these texts as an event stream; then ends it, or with `lost` the connection. */
export function stream(texts, end = (response) => response.end()) {
  return async (response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    for (const text of texts) await new Promise((sent) => response.write(text, sent));
    end(response);
  };
}

export function run(status, more = {}) {
  return { run_slug: RUN, status, err_msg: "", results: 0, usage: "0.00", ...more };
}

export async function all(iterable) {
  const items = [];
  for await (const item of iterable) items.push(item);
  return items;
}
