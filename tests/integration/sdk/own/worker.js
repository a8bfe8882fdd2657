// One scenario of a Worker with our own SDK per call: node worker.js ADDRESS SCENARIO
"use strict";
const coresdk = require("./sdk");
const { parameter, result, log, progress } = coresdk;

coresdk.ADDRESS = process.argv[2];

async function said(promise) {
  return promise.then(() => "nothing", (error) => error.message);
}

const scenarios = {
  async everything() {
    const input = await parameter.getInputJSONObject();
    const text = await parameter.getInputJSONString();
    await result.setTableHeader([{ label: "Name", key: "name", format: "text" }, { key: "x" }]);
    await result.pushData({ name: "\u{1f600}", url: "a&b<c" });
    await result.pushData('{"twice": 1}');
    await result.pushData({ half: "\ud800" });
    await result.upsertData({ id: 7, v: 1 }, "id");
    await log.debug("d");
    await log.info(5);
    await log.warn("w");
    await log.error("e");
    return { input, text };
  },
  async refusals() {
    return [
      await said(result.upsertData({ a: 1 }, "")),
      await said(result.upsertData({ a: 1 }, "b")),
      await said(result.pushData("x".repeat(9000000))),
      await said(result.pushData("x".repeat(17 * 2 ** 20))),
      await said(result.pushData({ after: "these" })),
    ];
  },
  async many() {
    const rows = Array.from({ length: 3000 }, (_, i) => result.pushData({ i }));
    await Promise.all(rows);
    return "done";
  },
  async progress() {
    await progress.set(1, 3, "first");
    return [
      await said(progress.set(2.9, 3, `  second\n${"x".repeat(300)}`)),
      await said(progress.set(-1, 3)),
      await said(progress.set(2 ** 53)),
      await said(progress.set(3)),
    ];
  },
  async large() {
    const input = await parameter.getInputJSONString();
    await result.pushData({ html: "x".repeat(6000000) });
    return input.length;
  },
};

scenarios[process.argv[3]]().then((outcome) => console.log(JSON.stringify(outcome)));
