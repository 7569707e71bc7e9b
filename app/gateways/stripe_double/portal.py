"""The billing portal: a page on which customers look after their subscriptions."""

from typing import Any

from app.gateways.stripe_double.account import Account
from app.gateways.stripe_double.customers import living_customer
from app.gateways.stripe_double.parameters import parameters, text, url
from app.gateways.stripe_double.state import Json

NEW_PORTAL_SESSION = parameters({"customer": text}, return_url=url)


def create_portal_session(account: Account, asked: dict[str, Any]) -> Json:
    """POST /v1/billing_portal/sessions"""
    session_id = account.new_id("bps")
    return account.add(
        {
            "id": session_id,
            "object": "billing_portal.session",
            "configuration": "bpc_double",
            "created": account.now(),
            "customer": living_customer(account, asked["customer"])["id"],
            "customer_account": None,
            "flow": None,
            "livemode": False,
            "locale": None,
            "on_behalf_of": None,
            "return_url": asked.get("return_url"),
            "url": f"{account.base}/p/session/{session_id}",
        }
    )
