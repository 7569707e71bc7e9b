"""What beat sends, and how often. Each period is a setting: `usage.reset_due` is SCHEDULE_USAGE_RESET_DUE."""

from typing import Any

from app.jobs import JOBS


def beat_schedule() -> dict[str, dict[str, Any]]:
    """Every entry expires after one period, so that a backlog does not pile up while no worker runs."""
    return {
        job.name: {"task": job.name, "schedule": job.period_seconds, "options": {"expires": job.period_seconds}}
        for job in JOBS
        if job.period_seconds
    }
