const { Builder, By, until } = require("selenium-webdriver");
const { parameter, result } = require("./sdk");

async function main() {
  const { url } = await parameter.getInputJSONObject();
  const server = `http://${process.env.PROXY_AUTH}@${process.env.ChromeHttp}`;
  const driver = await new Builder().forBrowser("chrome").usingServer(server).build();
  try {
    await driver.get(url);
    await driver.wait(until.elementLocated(By.className("item")), 20000);
    for (const item of await driver.findElements(By.className("item"))) {
      const price = Number(await item.getAttribute("data-price"));
      await result.pushData({ name: await item.getText(), price });
    }
  } finally {
    await driver.quit();
  }
}

main();
