"""What beat sends, and how often. Each period is a setting: `maintenance.heartbeat` is SCHEDULE_MAINTENANCE_HEARTBEAT."""

from typing import Any

from app import jobs
from app.settings import settings


def beat_schedule() -> dict[str, dict[str, Any]]:
    """Every entry expires after one period, so that a backlog does not pile up while no worker runs."""
    periods_seconds = {jobs.HEARTBEAT: settings().schedule_maintenance_heartbeat}
    return {
        name: {"task": name, "schedule": seconds, "options": {"expires": seconds}}
        for name, seconds in periods_seconds.items()
    }
