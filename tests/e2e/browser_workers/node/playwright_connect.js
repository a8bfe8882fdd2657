const { chromium } = require("playwright");
const { parameter, result } = require("./sdk");

const READ = (items) => items.map((item) => ({ name: item.textContent, price: +item.dataset.price }));

async function main() {
  const { url } = await parameter.getInputJSONObject();
  const browser = await chromium.connectOverCDP(`ws://${process.env.PROXY_AUTH}@${process.env.ChromeWs}`);
  const page = await (await browser.newContext()).newPage();
  await page.goto(url);
  await page.waitForSelector(".item");
  for (const row of await page.$$eval(".item", READ)) await result.pushData(row);
  await browser.close();
}

main();
