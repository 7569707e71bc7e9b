"""What `meterline status` says of real workers and a real backlog."""

from datetime import timedelta

import pytest

from app import jobs
from app.services.status import status
from tests.tenants import Tenant
from tests.workers.counted_rows import write_rows
from tests.workers.stage import Stage

pytestmark = pytest.mark.processes


def test_a_worker_that_is_busy_is_seen_and_so_are_messages_in_hand_and_waiting(stage: Stage, shop: Tenant) -> None:
    stage.start("worker", "beat", SCHEDULE_MAINTENANCE_HEARTBEAT="0.5")
    stage.until(lambda: not any("heartbeat" in problem for problem in status(ping_workers=False).problems))
    with stage.gate_closed() as stands_still:
        write_rows(shop.actor.tenant_id, 1, 1)
        assert jobs.wait_until_sent(10)
        stage.until(stands_still)
        stage.until(lambda: len(stage.sent()) > 0)
        seen = status(ping_workers=True)
    assert seen.messages is not None
    assert seen.messages.in_hand >= 1
    assert seen.messages.waiting[jobs.Queue.DEFAULT] >= 1
    assert len(seen.workers or []) == 1
    assert seen.records is not None
    assert seen.records.beat_sent_at is not None
    assert seen.at - seen.records.beat_sent_at < timedelta(seconds=30)
    assert [problem for problem in seen.problems if "answer" in problem] == []
