"""The double of Stripe as a command."""

import socket
import subprocess
import sys
from pathlib import Path

from app.gateways.billing import Page
from app.gateways.stripe import StripeGateway
from tests.dev.starting import CHECKOUT

COMMAND = [sys.executable, "-m", "app.dev.stripe_double"]


def test_it_says_what_to_set_and_ends_when_it_is_told_to(tmp_path: Path) -> None:
    options = ["--port", "0", "--kept-in", str(tmp_path / "stripe.json"), "--webhooks-to", "http://127.0.0.1:1/hooks"]
    with subprocess.Popen([*COMMAND, *options], cwd=CHECKOUT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        base, key, secret = (process.stdout.readline().strip().partition("=") for _ in range(3))
        gateway = StripeGateway(key[2], base=base[2])
        assert gateway.prices() == Page(items=[], next_after=None)
        gateway.create_product("Pro", key="1")
        process.terminate()
        assert process.wait(10) == 0
    assert (base[0], key[0], secret[0]) == ("STRIPE_API_BASE", "STRIPE_API_KEY", "STRIPE_WEBHOOK_SECRET")
    assert secret[2].startswith("whsec_")
    assert "product.created" in (tmp_path / "stripe.json").read_text()


def test_a_port_that_is_taken_is_told_in_a_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = subprocess.run(
            [*COMMAND, "--port", str(port)], cwd=CHECKOUT, capture_output=True, text=True, check=False
        )
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == f"Error: port {port} cannot be had: Address already in use\n"
