"""The MCP server, by which agents use a Fyke server: its tools, resources and prompts.

A *tool* is a function that a model may call, a *resource* a text that its program may read, a
*prompt* a message that a user may send. ``fyke mcp`` serves one user over standard input and
output; the server role serves ``/mcp``. Both call the REST API with the user's key, through
``fyke_client``, and have no right of their own.

What Workers collect was written by strangers. Answers with such text say so, so that a model takes
it as data.
"""
