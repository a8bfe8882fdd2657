import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";

import * as client from "@fyke/client";

const read = (name) => readFile(new URL(`../${name}`, import.meta.url), "utf8");

test("the types declare each class and method of the client, and no other", async () => {
  const types = await read("src/index.d.ts");
  const values = [...types.matchAll(/^export declare (?:class|function) (\w+)/gm)];
  assert.deepEqual(values.map(([, name]) => name).sort(), Object.keys(client).sort());
  const declaration = /declare class Fyke \{(.*?)^\}/ms.exec(types)[1];
  const methods = new Set([...declaration.matchAll(/^ {2}(\w+)[(<]/gm)].map(([, name]) => name));
  const own = new Set();
  for (let of = client.Fyke.prototype; of !== Object.prototype; of = Object.getPrototypeOf(of)) {
    for (const name of Object.getOwnPropertyNames(of)) own.add(name);
  }
  assert.deepEqual([...methods].sort(), [...own].sort());
});

test("the package depends on nothing and contains its licence", async () => {
  const { dependencies, license, type } = JSON.parse(await read("package.json"));
  assert.deepEqual([dependencies, license, type], [undefined, "Apache-2.0", "module"]);
  assert.equal(await read("LICENSE"), await read("../../LICENSE"));
});
