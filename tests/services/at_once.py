"""Calls that meet each other."""

import threading
from typing import Any


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
