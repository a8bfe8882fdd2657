"""Names of the formats of an export."""

from __future__ import annotations

from typing import Literal

# In the order in which they are offered.
FormatName = Literal["csv", "json", "jsonl", "xlsx", "xls", "xml", "html", "rss", "parquet"]
