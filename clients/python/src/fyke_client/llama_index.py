"""A reader for LlamaIndex; needs the extra ``llama-index``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from llama_index.core.readers.base import BaseReader
from llama_index.core.schema import Document

from fyke_client._documents import Content, texts_of
from fyke_client._sync.client import Fyke


class FykeReader(BaseReader):
    """Reads the rows of a run, after its end, as documents.

    FykeReader(fyke).load_data(run, "text")
    """

    def __init__(self, client: Fyke | None = None) -> None:
        self._client = client or Fyke()

    def lazy_load_data(
        self, run: str, content: Content, metadata: Sequence[str] | None = None
    ) -> Iterator[Document]:
        """The documents, as they are read. Raises ``RunFailed``.

        ``content``: the field with the text, or a function of the row; rows without a text are left
        out. ``metadata``: the fields to keep, by default all others with simple values.
        """
        for text, members in texts_of(self._client, run, content, metadata):
            yield Document(text=text, metadata=members)
