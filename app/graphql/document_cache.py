"""What was made from a document once, kept for the next request: bounded by number and by the bytes of the
documents.
"""

from collections import OrderedDict
from typing import Generic, TypeVar

T = TypeVar("T")


class DocumentCache(Generic[T]):
    """Least recently used first out. Values are never errors: those are made anew, so that nobody can fill the cache
    with them.

    Used from the event loop alone, hence without a lock.
    """

    def __init__(self, *, documents: int, size_bytes: int) -> None:
        self._documents = documents
        self._size_bytes = size_bytes
        self._values: OrderedDict[str, tuple[T, int]] = OrderedDict()
        self.used_bytes = 0

    def __len__(self) -> int:
        return len(self._values)

    def get(self, document: str) -> T | None:
        found = self._values.get(document)
        if found is None:
            return None
        self._values.move_to_end(document)
        return found[0]

    def put(self, document: str, value: T) -> None:
        if document in self._values:
            return
        size = len(document.encode())
        if size > self._size_bytes:
            return
        self._values[document] = (value, size)
        self.used_bytes += size
        while len(self._values) > self._documents or self.used_bytes > self._size_bytes:
            _, (_, freed) = self._values.popitem(last=False)
            self.used_bytes -= freed
