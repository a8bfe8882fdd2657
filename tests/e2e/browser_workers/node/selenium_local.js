const { Builder, By, until } = require("selenium-webdriver");
const { Options } = require("selenium-webdriver/chrome");
const { parameter, result } = require("./sdk");

async function main() {
  const { url } = await parameter.getInputJSONObject();
  const driver = await new Builder()
    .forBrowser("chrome")
    .setChromeOptions(new Options().addArguments("--headless=new"))
    .build();
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
