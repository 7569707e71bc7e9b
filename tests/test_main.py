"""What the web application does when a server starts it."""

import resource

import pytest

from app.main import OPEN_FILES, create_app


@pytest.mark.usefixtures("product")
async def test_a_started_server_may_open_more_connections_than_may_wait() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    _, most = before
    resource.setrlimit(resource.RLIMIT_NOFILE, (1_024, most))
    try:
        async with create_app().lifespan():
            allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)

    assert allowed == (OPEN_FILES if most == resource.RLIM_INFINITY else min(OPEN_FILES, most))
