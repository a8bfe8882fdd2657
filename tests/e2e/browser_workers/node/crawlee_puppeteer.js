const { PuppeteerCrawler } = require("crawlee");
const { parameter, result } = require("./sdk");

const READ = (items) => items.map((item) => ({ name: item.textContent, price: +item.dataset.price }));

async function main() {
  const { url } = await parameter.getInputJSONObject();
  const crawler = new PuppeteerCrawler({
    maxRequestsPerCrawl: 1,
    async requestHandler({ page }) {
      await page.waitForSelector(".item");
      for (const row of await page.$$eval(".item", READ)) await result.pushData(row);
    },
  });
  await crawler.run([url]);
}

main();
