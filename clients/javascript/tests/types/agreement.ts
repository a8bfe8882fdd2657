/** The types in `index.d.ts` are those of the implementation, and a program can be written by them. */

import * as declared from "@fyke/client";
import * as errors from "../../src/errors.js";
import { Fyke } from "../../src/fyke.js";
import { packFolder } from "../../src/project.js";
import { verifyWebhook } from "../../src/webhooks.js";

const implementation = { ...errors, Fyke, packFolder, verifyWebhook };
export const constructors: Omit<typeof declared, "Fyke"> = implementation;
export const methods: declared.Fyke = new Fyke();

type Exactly<A, B> = [A] extends [B] ? ([B] extends [A] ? true : never) : never;
export const names: Exactly<keyof Fyke, keyof declared.Fyke> = true;
export const exported: Exactly<keyof typeof implementation, keyof typeof declared> = true;

export async function program(): Promise<string> {
  const fyke = new declared.Fyke({ url: "http://127.0.0.1:8100", key: "k", timeout: 1 });
  const options = { system: { memory: 512 }, fields: ["n"], signal: AbortSignal.timeout(1) };
  const rows = await fyke.runAndCollect<{ n: number }>("owner/hello", {}, options);
  const run = await fyke.run("run");
  for await (const row of fyke.followRows<{ n: number }>(run.run_slug)) rows.push(row);
  for await (const event of fyke.follow(run.run_slug, { kinds: ["rows"] })) {
    if (event.kind === "rows") event.data.list.map(({ position }) => position);
    // @ts-expect-error rows have no list outside of their event
    else event.data.list[0].row;
  }
  // @ts-expect-error an unknown format
  await fyke.exportTo("run", "file", { format: "pdf" });
  // @ts-expect-error a run is named by its slug
  await fyke.abort(run);
  return rows.map(({ n }) => n.toFixed()).join() + run.usage;
}
