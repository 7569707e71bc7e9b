"""docs/webhooks.md: its receiver works, and its examples are what is sent."""

import asyncio
import json
import re
import socket
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from app.contract.webhook_events import WEBHOOK_DATA
from app.contract.webhooks import CreateWebhookEndpoint
from app.domain.webhooks import WebhookEventType
from app.services import webhook_redelivery, webhooks
from app.services.webhook_deliveries import deliver_due
from tests.e2e.readme import fenced, section
from tests.services.shop import EVERYTHING, Shop
from tests.until import until

pytestmark = pytest.mark.usefixtures("alone_with_webhooks")

PAGE = "docs/webhooks.md"
TYPES = section("Event types", PAGE)


def answers(port: int) -> bool:
    with socket.socket() as asking:
        return asking.connect_ex(("127.0.0.1", port)) == 0


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def test_the_receiver_takes_what_is_signed_and_refuses_what_is_not(shop: Shop, tmp_path: Path) -> None:
    (code,) = fenced(section("Verify it", PAGE), "python")
    program = tmp_path / "receiver.py"
    program.write_text(code)
    port = free_port()
    url = f"http://127.0.0.1:{port}/"
    signed = webhooks.create_webhook_endpoint(shop.actor, CreateWebhookEndpoint(url=url))
    other = webhooks.create_webhook_endpoint(shop.actor, CreateWebhookEndpoint(url=url))
    command = [sys.executable, str(program), signed.secret or "", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as receiver:
        try:
            asyncio.run(until(lambda: answers(port)))
            for endpoint in (signed, other):
                webhook_redelivery.send_test_webhook(shop.actor, endpoint.id)
            deliver_due()
        finally:
            receiver.terminate()
        printed, _ = receiver.communicate()

    sent = [
        (each.endpoint_id, each.last_status_code)
        for endpoint in (signed, other)
        for each in webhook_redelivery.list_webhook_deliveries(shop.actor, EVERYTHING, endpoint.id).data
    ]
    assert sent == [(signed.id, 204), (other.id, 400)]
    assert printed == f"webhook.test {{'endpointId': '{signed.id}'}}\n"


@pytest.mark.parametrize("example", fenced(TYPES, "json"), ids=lambda text: json.loads(text)["type"])
def test_an_example_is_what_is_sent(example: str) -> None:
    message = json.loads(example)
    assert set(message) == {"type", "timestamp", "data"}
    view = WEBHOOK_DATA[WebhookEventType(message["type"])]
    assert msgspec.to_builtins(msgspec.convert(message["data"], view)) == message["data"]


def test_every_type_is_on_the_page() -> None:
    assert set(re.findall(r"`((?:usage|subscription|checkout|webhook)\.\w+)`", TYPES)) == set(WebhookEventType)
