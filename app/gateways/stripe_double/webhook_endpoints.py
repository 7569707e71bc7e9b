"""Webhook endpoints: where events are sent, and what they are signed with."""

import secrets
from typing import Any

from app.gateways.stripe_double.account import API_VERSION, Account
from app.gateways.stripe_double.listing import page
from app.gateways.stripe_double.parameters import (
    PAGING,
    ListOf,
    flag,
    merged_metadata,
    metadata,
    parameters,
    text,
    url,
)
from app.gateways.stripe_double.state import Json

NEW_ENDPOINT = parameters(
    {"url": url, "enabled_events": ListOf(text)}, api_version=text, description=text, metadata=metadata
)
CHANGED_ENDPOINT = parameters(url=url, enabled_events=ListOf(text), disabled=flag, description=text, metadata=metadata)
ENDPOINTS = parameters({}, **PAGING)
_KIND = "webhook_endpoint"


def create_endpoint(account: Account, asked: dict[str, Any], secret: str | None = None) -> Json:
    """POST /v1/webhook_endpoints. The secret is in this answer and in no other."""
    secret = secret or f"whsec_{secrets.token_urlsafe(24)}"
    made = account.add(
        {
            "id": account.new_id("we"),
            "object": _KIND,
            "api_version": asked.get("api_version") or API_VERSION,
            "application": None,
            "created": account.now(),
            "description": asked.get("description") or None,
            "enabled_events": asked["enabled_events"],
            "livemode": False,
            "metadata": merged_metadata({}, asked.get("metadata", {})),
            "status": "enabled",
            "url": asked["url"],
        }
    )
    account.state.secrets[made["id"]] = [secret]
    return {**made, "secret": secret}


def endpoint(account: Account, _asked: dict[str, Any], endpoint_id: str) -> Json:
    """GET /v1/webhook_endpoints/:id"""
    return account.find(_KIND, endpoint_id)


def endpoints(account: Account, asked: dict[str, Any]) -> Json:
    """GET /v1/webhook_endpoints"""
    return page(account.all(_KIND), asked, "/v1/webhook_endpoints")


def change_endpoint(account: Account, asked: dict[str, Any], endpoint_id: str) -> Json:
    """POST /v1/webhook_endpoints/:id"""
    it = account.find(_KIND, endpoint_id)
    it.update({name: asked[name] for name in ("url", "enabled_events") if name in asked})
    if "description" in asked:
        it["description"] = asked["description"] or None
    if "disabled" in asked:
        it["status"] = "disabled" if asked["disabled"] else "enabled"
    if "metadata" in asked:
        it["metadata"] = merged_metadata(it["metadata"] if asked["metadata"] else {}, asked["metadata"])
    return it


def delete_endpoint(account: Account, _asked: dict[str, Any], endpoint_id: str) -> Json:
    """DELETE /v1/webhook_endpoints/:id"""
    account.find(_KIND, endpoint_id)
    del account.state.objects[_KIND][endpoint_id]
    return {"id": endpoint_id, "object": _KIND, "deleted": True}


def roll_secret(account: Account, endpoint_id: str, secret: str | None = None) -> str:
    """A new secret. Until `forget_old_secrets` webhooks are signed with the one before as well."""
    account.find(_KIND, endpoint_id)
    secret = secret or f"whsec_{secrets.token_urlsafe(24)}"
    account.state.secrets[endpoint_id] = [secret, *account.state.secrets[endpoint_id]][:2]
    return secret


def forget_old_secrets(account: Account, endpoint_id: str) -> None:
    """The end of a roll."""
    account.state.secrets[endpoint_id] = account.state.secrets[endpoint_id][:1]
