"""Fyke: a self-hosted platform for web-scraping Workers, wire-compatible with CoreClaw.

The main terms (all of them are in ``docs/glossary.md``):

* a **worker** is a user's script as published; a **version** is one immutable bundle of it;
* a **run** executes a version with an input; it is split into **subtasks**; one execution of a
  subtask in one sandbox is an **attempt**;
* a **task** is a saved input; **results** are the headers and rows that a run pushed;
* a **runner** is the process that runs attempts; a **sandbox** isolates one attempt;
* **egress** is the proxy to the web; the **engine** decides where and when attempts run.
"""

__version__ = "0.1.0"
