// Which keys open the palette. Run by test_palette.py.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import vm from "node:vm";

const source = await readFile(process.env.PALETTE_JS, "utf-8");

/** Whether the palette opens by Control+K and by Meta+K on this platform. */
function opened(platform) {
  const opens = [];
  let press;
  const palette = { open: () => opens.push(true) };
  const document = {
    documentElement: { dataset: {} },
    addEventListener: (kind, listener) => (press = kind === "keydown" ? listener : press),
    querySelector: (selector) => (selector === "command-palette" ? palette : null),
  };
  const customElements = { define() {} };
  vm.runInNewContext(source, { document, customElements, navigator: { platform }, HTMLElement: class {} });
  return ["ctrlKey", "metaKey"].map((modifier) => {
    const before = opens.length;
    press({ key: "k", [modifier]: true, preventDefault() {} });
    return opens.length > before;
  });
}

test("Control+K edits text on a Mac, and Meta+K opens the palette", () => {
  assert.deepEqual(opened("MacIntel"), [false, true]);
});

test("both open it elsewhere", () => {
  assert.deepEqual(opened("Linux x86_64"), [true, true]);
});
