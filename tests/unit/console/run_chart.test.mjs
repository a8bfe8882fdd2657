// The marks and the units of the usage charts. Run by test_run_chart.py.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";

let RunChart;
globalThis.HTMLElement = class {};
globalThis.customElements = { define: (_name, element) => (RunChart = element) };
globalThis.devicePixelRatio = 1;
globalThis.uPlot = class {};
const source = await readFile(process.env.RUN_CHART_JS, "utf-8");
await import(`data:text/javascript,${encodeURIComponent(source)}`);

/** What is drawn for these marks in a chart of 100 pixels for 100 seconds, from 50 on. */
function drawn(marks) {
  const calls = { texts: [], ticks: [], lines: 0 };
  const ctx = {
    save() {}, restore() {}, setLineDash() {}, beginPath() {}, moveTo() {}, lineTo() {},
    stroke: () => (calls.lines += 1),
    measureText: (text) => ({ width: 6 * text.length }),
    fillText: (text, x) => calls.texts.push([text, x]),
    fillRect: (x, y, width, height) => calls.ticks.push([ctx.fillStyle, x, width, height]),
  };
  const plot = { ctx, bbox: { left: 50, top: 0, width: 100, height: 80 }, valToPos: (at) => 50 + at };
  Object.assign(Object.create(RunChart.prototype), { marks }).drawMarks(plot, "traffic", "black", "amber");
  return calls;
}

test("marks that begin together have their numbers beside each other, and cover nothing", () => {
  const { texts, ticks, lines } = drawn([
    { since: 10, until: 90, chart: "traffic" },
    { since: 10, until: 90, chart: "traffic" },
    { since: 30, until: 30, chart: undefined },
    { since: 5, until: 9, chart: "cpu" },
  ]);
  assert.deepEqual(texts, [["1", 57], ["2", 67], ["3", 77]]);
  assert.deepEqual(ticks, [["amber", 60, 80, 3], ["amber", 60, 80, 3]]);
  assert.equal(lines, 1);
});

for (const [bytes, name, shown] of [[5_000, "trafficSmall", 5], [5_000_000, "traffic", 5]]) {
  test(`traffic of ${bytes} bytes is in ${name}`, () => {
    const rows = [1, 2].map((n) => ({ dataset: { at: n, cpu: 0, memory: 0, traffic: bytes, rows: 0 } }));
    const found = {};
    RunChart.prototype.draw.call({
      dataset: {},
      parentElement: { querySelectorAll: (selector) => (selector === "tr[data-at]" ? rows : []) },
      plot: (chart, _x, [line], more) => (found[chart] = { line, more }),
    });
    assert.deepEqual([found.traffic.more.name, found.traffic.line.values], [name, [shown, shown]]);
  });
}
