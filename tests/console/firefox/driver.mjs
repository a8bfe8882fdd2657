// Drives a Firefox over WebDriver BiDi: runs the command of each line of standard input,
// [name, ...arguments], and answers with a line, {value} or {error}. The argument is the program.
import { createInterface } from "node:readline";
import puppeteer from "puppeteer-core";

const browser = await puppeteer.launch({
  browser: "firefox",
  executablePath: process.argv[2],
  defaultViewport: { width: 1280, height: 800 },
  extraPrefsFirefox: { "intl.accept_languages": "en" },
});
let page;
let problems = [];

const found = (find) => page.evaluateHandle(find).then((handle) => handle.asElement());

const commands = {
  version: () => browser.version(),
  /** A page in a new context with these cookies; its errors are kept. */
  async visit(cookies) {
    await page?.browserContext().close();
    const context = await browser.createBrowserContext();
    await context.setCookie(...cookies);
    page = await context.newPage();
    problems = [];
    page.on("pageerror", (error) => problems.push(String(error)));
  },
  open: (url) => page.goto(url).then(() => null),
  value: (expression) => page.evaluate(expression),
  click: async (find) => (await found(find)).click(),
  key: (name) => page.keyboard.press(name),
  write: (text) => page.keyboard.type(text),
  attach: async (find, file) => (await found(find)).uploadFile(file),
  problems: () => problems,
};

for await (const line of createInterface({ input: process.stdin })) {
  const [name, ...args] = JSON.parse(line);
  try {
    console.log(JSON.stringify({ value: (await commands[name](...args)) ?? null }));
  } catch (error) {
    console.log(JSON.stringify({ error: String(error) }));
  }
}
await browser.close();
