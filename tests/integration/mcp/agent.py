"""An agent with the Python SDK: it makes the call of each line of standard input, {tool,
arguments}, and answers with a line, {texts, refused} or {lost}. With arguments it starts them as
the server; without, it uses the server at FYKE_URL.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from contextlib import AsyncExitStack
from typing import Any

import httpx2
from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters
from mcp.client.streamable_http import streamable_http_client

SECONDS = 300  # of a call at most


async def answer(client: Client, call: dict[str, Any]) -> dict[str, Any]:
    try:
        answered = await client.call_tool(call["tool"], call["arguments"])
    except Exception as error:
        return {"lost": repr(error)}
    texts = [part.text for part in answered.content]  # type: ignore[union-attr]
    return {"texts": texts, "refused": answered.is_error}


async def main(*command: str) -> None:
    async with AsyncExitStack() as stack:
        server: Any
        if command:
            program, *arguments = command
            server = StdioServerParameters(command=program, args=arguments, env={**os.environ})
        else:
            headers = {"authorization": f"Bearer {os.environ['FYKE_KEY']}"}
            http = httpx2.AsyncClient(headers=headers, timeout=SECONDS)
            await stack.enter_async_context(http)
            server = streamable_http_client(f"{os.environ['FYKE_URL']}/mcp", http_client=http)
        client = await stack.enter_async_context(Client(server))
        while line := await asyncio.to_thread(sys.stdin.readline):
            print(json.dumps(await answer(client, json.loads(line))), flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
