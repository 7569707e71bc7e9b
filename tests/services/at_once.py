"""Calls that meet each other."""

import threading
from collections.abc import Callable
from typing import Any, TypeVar

from app.errors import OverloadedError

Answer = TypeVar("Answer")


def at_once(*calls: Any) -> list[Any]:
    """What the calls answer, or raise, when they start together, each in a thread."""
    barrier = threading.Barrier(len(calls))
    answers: list[Any] = [None] * len(calls)

    def run(n: int) -> None:
        barrier.wait()
        try:
            answers[n] = calls[n]()
        except Exception as raised:  # noqa: BLE001 — the test looks at it
            answers[n] = raised

    threads = [threading.Thread(target=run, args=(n,)) for n in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def patiently(call: Callable[[], Answer]) -> Answer:
    """What the call answers; as often as it is held up it is made again, as the doors do."""
    while True:
        try:
            return call()
        except OverloadedError as busy:
            if not busy.held_up:
                raise
