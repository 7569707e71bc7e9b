"""A thread of a test's own that does what a worker would do."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_PAUSE_SECONDS = 0.01


@contextmanager
def again_and_again(work: Callable[[], object]) -> Iterator[None]:
    """Until the block ends, in whatever way: a thread that went on would keep the whole run from ending."""
    ended = threading.Event()

    def go_on() -> None:
        while not ended.is_set():
            work()
            ended.wait(_PAUSE_SECONDS)

    thread = threading.Thread(target=go_on, name="worker")
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
