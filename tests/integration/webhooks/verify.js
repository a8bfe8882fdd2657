// Verifies each message of a JSON file with the library; prints what each one was found to be.
const { readFileSync } = require("node:fs");
const { Webhook } = require("standardwebhooks");

const { secret, messages } = JSON.parse(readFileSync(process.argv[2], "utf8"));
const webhook = new Webhook(secret);
const found = messages.map(({ body, headers }) => {
  try {
    return webhook.verify(body, headers).run_slug;
  } catch (error) {
    return error.message;
  }
});
console.log(JSON.stringify(found));
