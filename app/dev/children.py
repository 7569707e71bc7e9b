"""Child processes that cannot outlive the process that starts them."""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_PR_SET_PDEATHSIG = 1

_LAUNCH = str(Path(__file__).with_name("launch.py"))

# Whether a child ends with its parent even after `kill -9`.
ENDS_WITH_PARENT = sys.platform == "linux"


@dataclass(frozen=True, slots=True)
class Account:
    """A user of this machine that root may become."""

    uid: int
    gid: int


def spawn(
    command: Sequence[str],
    *,
    environment: Mapping[str, str],
    death_signal: signal.Signals,
    output: int,
    account: Account | None = None,
    kept_descriptors: Sequence[int] = (),
    directory: Path | None = None,
) -> subprocess.Popen[bytes]:
    """Start a program that gets `death_signal` when the calling *thread* ends: call it from the main thread.

    The child leads a session of its own, so that Ctrl-C in the terminal reaches us alone and we choose the order in which
    things stop. `output` takes stdout and stderr.
    """
    who = f"{account.uid}:{account.gid}" if account else "-"
    launcher = [sys.executable, "-I", "-S", _LAUNCH, str(os.getpid()), str(int(death_signal)), who]
    return subprocess.Popen(
        [*launcher, *command],
        env=dict(environment),
        cwd=directory,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        pass_fds=tuple(kept_descriptors),
        start_new_session=True,
    )


def end_with_parent() -> None:
    """Have this process get SIGTERM when the process that started it ends. Only Linux can do this."""
    if ENDS_WITH_PARENT:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)


def kill_session(leader: int) -> None:
    """End what is left of a session whose leader has ended, such as the pool children of a killed worker."""
    try:
        os.killpg(leader, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        # macOS answers EPERM for a group of zombies.
        return


def can_reach(account: Account | None, path: Path) -> bool:
    """Whether `account` may enter a directory or run a program; asked of the system, since modes are not the whole truth."""
    if account is None:
        return os.access(path, os.X_OK)
    probe = subprocess.run(
        ["/bin/sh", "-c", 'test -x "$0"', str(path)],
        cwd="/",
        user=account.uid,
        group=account.gid,
        extra_groups=[],
        check=False,
    )
    return probe.returncode == 0
