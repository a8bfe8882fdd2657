// Stores the authors of a site, with the birthday of each from another page, with Crawlee.
"use strict";

const { CheerioCrawler, ProxyConfiguration } = require("@crawlee/cheerio");
const { parameter, result } = require("./sdk");

// Each session of Crawlee leaves from one proxy; after a refusal it takes another session.
function proxyOf(session) {
  const [user, password] = process.env.PROXY_AUTH.split(":");
  const word = session ? `-session-${session}` : "";
  return `http://${user}${word}:${password}@${process.env.PROXY_DOMAIN}`;
}

async function main() {
  const task = await parameter.getInputJSONObject();
  const crawler = new CheerioCrawler({
    proxyConfiguration: new ProxyConfiguration({ newUrlFunction: proxyOf }),
    maxRequestRetries: 4,
    maxRequestsPerCrawl: task.max_pages || 50,
  });
  crawler.router.addDefaultHandler(async ({ enqueueLinks }) => {
    await enqueueLinks({ selector: ".quote a[href^='/author/']", label: "author" });
    await enqueueLinks({ selector: ".next a" });
  });
  crawler.router.addHandler("author", async ({ $, request }) => {
    await result.pushData({
      author: $(".author-title").text().trim(),
      born: $(".author-born-date").text(),
      url: request.url,
    });
  });
  const statistics = await crawler.run([task.url || "https://quotes.toscrape.com/"]);
  if (statistics.requestsFailed) throw new Error(`${statistics.requestsFailed} pages failed`);
}

main();
