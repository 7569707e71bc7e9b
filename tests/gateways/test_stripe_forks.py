"""A worker's children each have a gateway of their own, made after the fork."""

import os
import subprocess
import sys

from app.gateways.stripe_double import StripeDouble
from app.settings import environment_with
from tests.dev.starting import CHECKOUT

# The parent has an open connection when it forks; children that shared it would get each other's answers.
SCRIPT = """
import os, sys
from celery.signals import worker_process_init
from app.gateways.stripe import stripe_gateway
import workers.celery_app

parents = stripe_gateway()
parents.prices()
children = []
for child in range(4):
    pid = os.fork()
    if pid == 0:
        worker_process_init.send(sender=None)
        assert stripe_gateway() is not parents
        for number in range(25):
            name = f"{child}:{number}"
            assert stripe_gateway().create_product(name, key=name).name == name
        os._exit(0)
    children.append(pid)
sys.exit(any(os.waitpid(pid, 0)[1] for pid in children))
"""


def test_children_of_a_worker_do_not_share_a_connection(double: StripeDouble, redis_url: str) -> None:
    environment = environment_with(
        METERLINE_ENV="development",
        REDIS_URL=redis_url,
        STRIPE_API_KEY="sk_test_1",
        STRIPE_API_BASE=double.url,
        STRIPE_LINKS_PER_SECOND="1000",
        NO_PROXY="127.0.0.1",
    )
    ended = subprocess.run([sys.executable, "-c", SCRIPT], cwd=CHECKOUT, env=environment, timeout=60, check=False)
    assert ended.returncode == os.EX_OK
    assert len(double.world.objects("product")) == 100
