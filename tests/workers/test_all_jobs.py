"""Every job of the catalogue, once, by the real beat and a real worker, on the example data."""

from pathlib import Path
from uuid import UUID

import pytest

from app import jobs
from app.dev import seed
from app.services.tenants import app_ids
from tests.services.shop import MONTH, Shop, counted
from tests.tenants import Tenant
from tests.workers.stage import Stage

pytestmark = pytest.mark.processes


def test_every_job_runs_without_an_error(stage: Stage, shop: Tenant, tmp_path: Path) -> None:
    seed.seed(tmp_path)
    used = Shop(shop.actor)
    used.feature()
    used.package("pro", counted(1000, MONTH))
    used.user()
    used.subscribe("pro")
    used.record(5)

    periods = {job.schedule.upper(): "3600" for job in jobs.JOBS if job.schedule}
    stage.start("worker", "beat", with_rows=False, concurrency=2, **periods)
    for app_id in app_ids():
        jobs.send(jobs.CHECK_BOOKS_OF, app_id)
    # There is no such template, link, request, subscription and event: a message may be about what has gone meanwhile.
    jobs.send(jobs.MAKE_TEMPLATE, shop.actor.tenant_id, 0)
    jobs.send(jobs.MAKE_LINK, shop.actor.tenant_id, str(UUID(int=0)))
    jobs.send(jobs.LOOK_AT_LINK, shop.actor.tenant_id, str(UUID(int=0)))
    jobs.send(jobs.CLOSE_OTHER_LINKS, shop.actor.tenant_id, str(UUID(int=0)))
    jobs.send(jobs.ACT_ON_REQUEST, shop.actor.tenant_id, str(UUID(int=0)))
    jobs.send(jobs.ADJUST_OVERAGE, shop.actor.tenant_id, "sub_none")
    jobs.send(jobs.MAKE_PORTAL_LINK, shop.actor.tenant_id, str(UUID(int=0)))
    jobs.send(jobs.HANDLE_STRIPE_EVENT, "evt_none")

    well = "SELECT count(*) FROM job_runs WHERE succeeded_at IS NOT NULL"
    stage.until(lambda: stage.ask(well) == len(jobs.JOBS))
    assert stage.ask("SELECT string_agg(name || ': ' || error, '; ') FROM job_runs") is None
    assert stage.ask("SELECT count(*) FROM job_faults") == 0
