"""One iterator for several threads."""

from collections.abc import Iterable, Iterator
from threading import Lock
from typing import Generic, TypeVar

Item = TypeVar("Item")


class SharedIterator(Generic[Item]):
    """Gives each item to the thread that asks first; nothing is read ahead."""

    def __init__(self, items: Iterable[Item]) -> None:
        """Takes the items, which nobody else may take from then on."""
        self._items = iter(items)
        self._lock = Lock()

    def __iter__(self) -> Iterator[Item]:
        return self

    def __next__(self) -> Item:
        with self._lock:
            return next(self._items)
