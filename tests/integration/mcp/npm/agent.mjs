// An agent with the JavaScript SDK: it makes the call of each line of standard input, {tool,
// arguments}, and answers with a line, {texts, refused} or {lost}. With arguments it starts them as
// the server; without, it uses the server at FYKE_URL.
import { createInterface } from "node:readline";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";

const MOST = { timeout: 300_000 }; // ms, of a call
const { FYKE_URL, FYKE_KEY } = process.env;
const [command, ...args] = process.argv.slice(2);

function transport() {
  if (command) return new StdioClientTransport({ command, args, env: { ...process.env } });
  const headers = { Authorization: `Bearer ${FYKE_KEY}` };
  return new StreamableHTTPClientTransport(new URL(`${FYKE_URL}/mcp`), { requestInit: { headers } });
}

async function answer({ tool, arguments: given }) {
  try {
    const { content, isError } = await client.callTool(
      { name: tool, arguments: given },
      undefined,
      MOST,
    );
    return { texts: content.map((part) => part.text), refused: Boolean(isError) };
  } catch (error) {
    return { lost: String(error) };
  }
}

const client = new Client({ name: "agent", version: "1" });
await client.connect(transport());
for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(await answer(JSON.parse(line))));
}
await client.close();
