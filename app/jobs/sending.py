"""Jobs leave after the commit, off the caller's thread.

A message is a hint: the row that it is about is the record, and a job on schedule finds what a lost message left behind. So
sending never delays a caller and never fails one, and what cannot be sent is dropped.
"""

import atexit
import os
import threading
import time

import structlog
from celery.exceptions import CeleryError
from kombu.exceptions import KombuError
from redis.exceptions import RedisError
from sqlmodel import Session

from app.db import after_commit
from app.jobs.catalogue import Job
from app.jobs.celery_app import sender

log = structlog.get_logger(__name__)

WAITING_MAX = 10_000
_LEAVING_SECONDS = 2.0

Argument = int | str
_Message = tuple[str, tuple[Argument, ...]]


def enqueue(session: Session, job: Job, *arguments: Argument) -> None:
    """Send the job once this transaction is committed; if it is rolled back, never. Arguments are ids, no content.

    One that is waiting to be sent with the same arguments already is not sent twice.
    """
    after_commit(session, lambda: send(job, *arguments))


def send(job: Job, *arguments: Argument) -> None:
    """Send the job soon, from a thread of its own. Returns at once, whatever becomes of it."""
    _outgoing().put((job.name, arguments))


class Outgoing:
    """Messages on their way to the broker, and the thread that sends them. One for each process."""

    def __init__(self) -> None:
        self.process_id = os.getpid()
        self._waiting: dict[_Message, None] = {}
        self._changed = threading.Condition()
        self._is_sending = False
        threading.Thread(target=self._send_for_ever, name="jobs", daemon=True).start()

    def put(self, message: _Message) -> None:
        with self._changed:
            if len(self._waiting) < WAITING_MAX:
                self._waiting[message] = None
                self._changed.notify_all()
                return
        log.warning("jobs.dropped", job=message[0], waiting=WAITING_MAX)

    def wait_until_sent(self, timeout_seconds: float) -> bool:
        """Whether nothing was left to send within this time."""
        deadline = time.monotonic() + timeout_seconds
        with self._changed:
            while self._waiting or self._is_sending:
                if not self._changed.wait(deadline - time.monotonic()):
                    return False
        return True

    def _send_for_ever(self) -> None:
        while True:
            with self._changed:
                while not self._waiting:
                    self._is_sending = False
                    self._changed.notify_all()
                    self._changed.wait()
                message = next(iter(self._waiting))
                del self._waiting[message]
                self._is_sending = True
            self._send(message)

    def _send(self, message: _Message) -> None:
        name, arguments = message
        try:
            sender().send_task(name, args=arguments)
        except (CeleryError, KombuError, RedisError, OSError) as error:
            with self._changed:
                dropped = 1 + len(self._waiting)
                # Each would wait for the broker in its turn. When it is back, the schedules find what these were about.
                self._waiting.clear()
            log.warning("jobs.not_sent", job=name, error=type(error).__name__, dropped=dropped)


_making = threading.Lock()
_current: list[Outgoing] = []


def _outgoing() -> Outgoing:
    """This process's own: a thread does not live on in a forked child."""
    with _making:
        if not _current or _current[0].process_id != os.getpid():
            _current[:] = [Outgoing()]
        return _current[0]


@atexit.register
def wait_until_sent(timeout_seconds: float = _LEAVING_SECONDS) -> bool:
    """Whether everything that was given to `send` in this process has left, or was dropped, within this time."""
    if not _current or _current[0].process_id != os.getpid():
        return True
    return _current[0].wait_until_sent(timeout_seconds)
