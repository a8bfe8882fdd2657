/** The event stream of a run, read over lost connections. */

import { sleep } from "./deadline.js";
import { Unreachable } from "./errors.js";
import { segment } from "./connection.js";

const QUIET = 60_000; // the server sends a comment at least every 20 seconds

/**
 * @typedef {{ kind: string, id: string, data: any }} Parsed
 */

/**
 * @param {AsyncIterable<Uint8Array>} chunks
 * @returns {AsyncGenerator<Parsed | null, void, void>} null for a comment
 */
export async function* parse(chunks) {
  const decoder = new TextDecoder();
  let rest = "";
  let fields = /** @type {Record<string, string>} */ ({});
  for await (const chunk of chunks) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines.map((text) => text.replace(/\r$/, ""))) {
      if (line.startsWith(":")) yield null;
      else if (line) addTo(fields, line);
      else {
        const { event: kind = "message", id = "", data } = fields;
        fields = {};
        if (data !== undefined) yield { kind, id, data: JSON.parse(data) };
      }
    }
  }
}

/**
 * @param {Record<string, string>} fields
 * @param {string} line
 */
function addTo(fields, line) {
  // not by a pattern, whose "." and "$" know U+2028 and U+2029 as ends of lines
  const colon = line.includes(":") ? line.indexOf(":") : line.length;
  const name = line.slice(0, colon);
  const value = line.slice(colon + 1).replace(/^ /, "");
  fields[name] = name === "data" && "data" in fields ? `${fields.data}\n${value}` : value;
}

/**
 * Events of a run until its end, each once. A lost connection continues after the last event.
 *
 * @param {import("./connection.js").Connection} wire
 * @param {string} run
 * @param {import("./index.d.ts").FollowOptions} options
 * @returns {AsyncGenerator<any, void, void>}
 */
export async function* follow(wire, run, { kinds, after, signal }) {
  const path = `/api/v2/worker-runs/${segment(run)}/events`;
  const query = { kinds: kinds?.join(",") };
  let last = after;
  for (let vain = 0; ; vain++) {
    const headers = last ? { "last-event-id": last } : undefined;
    const chunks = await wire.stream(path, QUIET, { query, headers, signal, patient: true });
    if (chunks === null) return;
    try {
      for await (const event of parse(chunks)) {
        vain = 0;
        if (event === null) continue;
        last = event.id || last;
        yield event;
        if (event.kind === "end") return;
      }
    } catch (error) {
      if (!(error instanceof Unreachable)) throw error;
    }
    // the server was stopped, a proxy has cut the stream, or the run was deleted, which the next
    // request reports
    if (vain >= wire.retries(true)) throw new Unreachable(`${wire.url} ends each event stream`);
    await sleep(wire.pause(vain), signal);
  }
}
