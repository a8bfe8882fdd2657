const puppeteer = require("puppeteer-core");
const { parameter, result } = require("./sdk");

const READ = (items) => items.map((item) => ({ name: item.textContent, price: +item.dataset.price }));

async function main() {
  const { url } = await parameter.getInputJSONObject();
  const browserWSEndpoint = `ws://${process.env.PROXY_AUTH}@${process.env.ChromeWs}`;
  const browser = await puppeteer.connect({ browserWSEndpoint });
  const page = await browser.newPage();
  await page.goto(url);
  await page.waitForSelector(".item");
  for (const row of await page.$$eval(".item", READ)) await result.pushData(row);
  await browser.close();
}

main();
