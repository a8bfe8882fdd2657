"""A document loader for LangChain; needs the extra ``langchain``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from langchain_core.document_loaders import BaseLoader
from langchain_core.documents import Document

from fyke_client._documents import Content, texts_of
from fyke_client._sync.client import Fyke


class FykeLoader(BaseLoader):
    """Loads the rows of a run, after its end, as documents.

    ``content``: the field with the text, or a function of the row; rows without a text are left
    out. ``metadata``: the fields to keep, by default all others with simple values.

        FykeLoader(fyke.start("owner/website-content-crawler", {...}), "text", client=fyke).load()
    """

    def __init__(
        self,
        run: str,
        content: Content,
        *,
        metadata: Sequence[str] | None = None,
        client: Fyke | None = None,
    ) -> None:
        self._run = run
        self._content = content
        self._metadata = metadata
        self._client = client or Fyke()

    def lazy_load(self) -> Iterator[Document]:
        """The documents, as they are read. Raises ``RunFailed``."""
        for text, metadata in texts_of(self._client, self._run, self._content, self._metadata):
            yield Document(page_content=text, metadata=metadata)
