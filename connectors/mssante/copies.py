"""PDF copies made off the event loop, once for the professionals' mail and the patient's."""

import asyncio
from collections import OrderedDict
from datetime import datetime
from typing import Final

from pfi.model.document import Document
from pfi.standards.pdf.copies import pdf_copies

_REMEMBERED: Final = 16

_Key = tuple[tuple[bytes, ...], datetime]


class PdfCopies:
    """The PDF files of the last deliveries; two deliveries of the same documents at the same time share the work."""

    def __init__(self, remembered: int = _REMEMBERED) -> None:
        self._remembered = remembered
        self._made: OrderedDict[_Key, asyncio.Task[tuple[bytes, ...]]] = OrderedDict()

    async def of(self, documents: tuple[Document, ...], moment: datetime) -> tuple[bytes, ...]:
        """One PDF for each document, in order. Raises what `pdf_copies` raises."""
        key = (tuple(document.content for document in documents), moment)
        task = self._made.get(key)
        if task is None:
            task = asyncio.create_task(asyncio.to_thread(pdf_copies, documents, moment))
            self._made[key] = task
            if len(self._made) > self._remembered:
                self._made.popitem(last=False)
        try:
            # One waiter that gives up must not take the work away from the other.
            return await asyncio.shield(task)
        except Exception:
            self._made.pop(key, None)
            raise
