"""The runner of the Procfile, with small programs of our own."""

import io
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from app.dev import stack
from app.dev.processes import Processes
from tests.dev.starting import CHECKOUT, is_running, wait_until

ENVIRONMENT = {"PATH": "/usr/bin:/bin"}


def python(source: str) -> list[str]:
    return [sys.executable, "-I", "-u", "-c", source]


@contextmanager
def running(commands: dict[str, list[str]], log: io.StringIO, *, grace_seconds: float = 10) -> Iterator[Processes]:
    processes = Processes(commands, environment=ENVIRONMENT, directory=CHECKOUT, log=log)
    processes.start()
    try:
        yield processes
    finally:
        processes.stop(grace_seconds=grace_seconds)


def watch_until(processes: Processes, is_so: Callable[[], bool]) -> None:
    def passed_on() -> bool:
        processes.watch()
        return is_so()

    wait_until(passed_on)


def pid_said(log: io.StringIO, name: str) -> int:
    return next(int(line.split()[-1]) for line in reversed(log.getvalue().splitlines()) if line.startswith(name))


def test_each_line_has_the_name_of_its_process_in_front() -> None:
    log = io.StringIO()
    talk = python(
        "import sys; print('hello'); print('oh', file=sys.stderr); print('end', end=''); input_never = sys.stdin.read()"
    )
    with running({"web": talk, "worker": python("print('at work'); import time; time.sleep(60)")}, log) as processes:
        watch_until(processes, lambda: "oh" in log.getvalue() and "at work" in log.getvalue())

    lines = log.getvalue().splitlines()
    assert {"web    | hello", "web    | oh", "worker | at work"} <= set(lines)


def test_output_without_a_last_newline_is_not_lost() -> None:
    log = io.StringIO()
    with running({"web": python("print('no newline', end='')")}, log) as processes:
        watch_until(processes, lambda: processes.count_ends("web") > 0)

    assert "web | no newline\n" in log.getvalue()


def test_a_process_that_ends_is_started_again_with_growing_delays() -> None:
    log = io.StringIO()
    with running({"web": python("raise SystemExit(3)")}, log) as processes:
        watch_until(processes, lambda: processes.count_ends("web") == 2)

    assert log.getvalue().splitlines()[:2] == [
        "web | ended with exit code 3; starting again in 1 s",
        "web | ended with exit code 3; starting again in 2 s",
    ]


def test_a_killed_worker_takes_its_pool_along_and_comes_back() -> None:
    log = io.StringIO()
    pool = python("import os, time; child = os.fork(); child and print('pool', child); time.sleep(60)")
    with running({"worker": pool}, log) as processes:
        watch_until(processes, lambda: "pool" in log.getvalue())
        child = pid_said(log, "worker")
        os.kill(os.getpgid(child), signal.SIGKILL)

        watch_until(processes, lambda: log.getvalue().count("pool") == 2)

        assert not is_running(child)
    assert "worker | ended with signal 9; starting again in 1 s\n" in log.getvalue()


def test_a_stop_signals_the_main_process_alone_and_waits_for_its_orderly_end() -> None:
    log = io.StringIO()
    source = """
import os, signal, time
child = os.fork()
def end(*_):
    if child:
        os.kill(child, signal.SIGINT)
        print('child ended with', os.waitpid(child, 0)[1])
    else:
        print('signalled as a child')
    raise SystemExit
signal.signal(signal.SIGTERM, end)
if not child:
    signal.signal(signal.SIGINT, lambda *_: os._exit(0))
child or print('ready')
while True:
    time.sleep(60)
"""
    with running({"worker": python(source)}, log) as processes:
        watch_until(processes, lambda: "ready" in log.getvalue())

    assert log.getvalue().splitlines() == ["worker | ready", "worker | child ended with 0"]


def test_what_ignores_the_stop_is_killed_after_the_grace_with_all_its_children() -> None:
    log = io.StringIO()
    stubborn = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = os.fork()
child and print('child', child)
time.sleep(60)
"""
    with running({"web": python(stubborn)}, log, grace_seconds=0.3) as processes:
        watch_until(processes, lambda: "child" in log.getvalue())
        child = pid_said(log, "web")

    assert "web | did not end within 0.3 s: killed\n" in log.getvalue()
    wait_until(lambda: not is_running(child))


def test_a_program_that_is_not_there_is_named() -> None:
    log = io.StringIO()
    with running({"web": ["no-such-program"]}, log) as processes:
        watch_until(processes, lambda: processes.count_ends("web") == 1)

    assert "web | cannot run no-such-program: No such file or directory\n" in log.getvalue()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends the children of a killed process")
def test_after_kill_9_of_the_runner_nothing_is_left() -> None:
    source = """
import sys
from pathlib import Path
from app.dev import stack
from app.dev.processes import Processes
command = [sys.executable, "-I", "-u", "-c", "import os, time; print(os.getpid()); time.sleep(60)"]
processes = Processes({"web": command, "beat": command}, environment={}, directory=Path("/"), log=sys.stdout)
processes.start()
while True:
    processes.watch()
"""
    with subprocess.Popen([sys.executable, "-c", source], cwd=CHECKOUT, stdout=subprocess.PIPE, text=True) as runner:
        assert runner.stdout is not None
        pids = [int(runner.stdout.readline().split()[-1]) for _ in range(2)]
        assert all(map(is_running, pids))

        runner.kill()

    for pid in pids:
        wait_until(lambda pid=pid: not is_running(pid))


def test_who_is_interrupted_before_web_is_ready_does_not_wait_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupted(BaseException):
        pass

    def interrupt(*_: object) -> None:
        raise Interrupted

    monkeypatch.setattr(stack, "_GRACE_BEFORE_READY_SECONDS", 0.1)
    log = io.StringIO()
    deaf = python(
        "import os, signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(os.getpid()); time.sleep(60)"
    )
    with socket.socket() as unanswered, running({"web": deaf}, log) as processes:
        unanswered.bind(("127.0.0.1", 0))
        watch_until(processes, lambda: log.getvalue().count("\n") == 1)
        before = signal.signal(signal.SIGALRM, interrupt)
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        try:
            with pytest.raises(Interrupted):
                stack.wait_until_ready(processes, unanswered.getsockname()[1])
        finally:
            signal.signal(signal.SIGALRM, before)

        assert not is_running(pid_said(io.StringIO(log.getvalue().splitlines()[0]), "web"))
    assert log.getvalue().splitlines()[1] == "web | did not end within 0.1 s: killed"
