"""The request and response pairs of Kana's mutation reference.

Requests are as printed there. Where the printed response contradicts the request, the tables or itself, the answer here is
what the request can truly get, and a comment says what was printed.
"""

from typing import Any

_PACKAGE = """
      id
      name
      status
      metadata
      features {
        id
        name
        limit
        type
        unitLabel
        unitLabelPlural
        metadata
      }
      prices {
        id
        provider
        amount
        displayAmount
        currency
        interval
      }
      isAddon
      updatedAt
"""

CREATE_FEATURE = """mutation createFeature($input: CreateFeatureInput!) {
  createFeature(input: $input) {
    id
    name
    type
    unitLabel
    unitLabelPlural
    metadata
  }
}"""
CREATE_FEATURE_VARIABLES = {
    "input": {
        "id": "api-calls",
        "name": "API Calls",
        "type": "CONSUMABLE",
        "unitLabel": "API Call",
        "unitLabelPlural": "API Calls",
        "metadata": {},
    }
}
API_CALLS = {
    "id": "api-calls",
    "name": "API Calls",
    "type": "CONSUMABLE",
    "unitLabel": "API Call",
    "unitLabelPlural": "API Calls",
    "metadata": {},
}

UPDATE_FEATURE = """mutation updateFeature($input: UpdateFeatureInput!) {
  updateFeature(input: $input) {
    id
    name
    type
    unitLabel
    unitLabelPlural
    metadata
    packages {
      id
      name
      status
      isAddon
      updatedAt
      features {
        id
        name
        type
        limit
        unitLabel
        unitLabelPlural
        metadata
      }
      prices {
        id
        provider
        amount
        displayAmount
        currency
        interval
      }
    }
  }
}"""
# The id is among the variables, neither declared nor passed.
UPDATE_FEATURE_VARIABLES = {
    "id": "api-calls",
    "input": {"name": "API Calls", "unitLabel": "API Call", "unitLabelPlural": "API Calls", "metadata": {}},
}

CREATE_PACKAGE = f"""mutation createPackage($input: CreatePackageInput!) {{
  createPackage(input: $input) {{{_PACKAGE}  }}
}}"""
# `features` is one object where the type is a list.
CREATE_PACKAGE_VARIABLES = {
    "input": {
        "id": "pro-plan",
        "name": "Pro Plan",
        "isAddon": False,
        "metadata": {},
        "features": {
            "id": "api-calls",
            "entitlement": {"limit": 1000, "resetPeriod": "MONTH", "overageEnabled": False},
        },
    }
}

UPDATE_PACKAGE = f"""mutation updatePackage($input: UpdatePackageInput!) {{
  updatePackage(input: $input) {{{_PACKAGE}  }}
}}"""
UPDATE_PACKAGE_VARIABLES = {"id": "pro-plan", "input": {"metadata": {}}}

CREATE_USER = """mutation createUser($input: CreateUserInput!) {
  createUser(input: $input) {
    id
    billingId
    name
    email
    metadata
  }
}"""
CREATE_USER_VARIABLES = {
    "input": {
        "id": "124",
        "billingId": "cus_883y74hdjjdjdnd",
        "name": "Test User",
        "email": "test@usekana.com",
        "metadata": {},
    }
}
TEST_USER = {
    "id": "124",
    "billingId": "cus_883y74hdjjdjdnd",
    "name": "Test User",
    "email": "test@usekana.com",
    "metadata": {},
}

# `$input` is declared with the type of another mutation.
UPDATE_USER = """mutation updateUser($id: String!, $input: CreateUserInput!) {
  updateUser(id: $id, input: $input) {
    id
    billingId
    name
    email
    metadata
  }
}"""
UPDATE_USER_VARIABLES = {"id": "124", "input": {"id": "125", "name": "Updated User", "metadata": {}}}

SUBSCRIBE = f"""mutation subscribeUserToPlan($packageIds: [String!]!, $userId: String!) {{
  subscribe(packageIds: $packageIds, userId: $userId) {{
    id
    userId
    status
    package {{{_PACKAGE}    }}
  }}
}}"""
SUBSCRIBE_VARIABLES = {"packageIds": ["free-trial", "proactive-messaging"], "userId": "124"}

RECORD_USAGE = """mutation recordUsage($input: CreateUsageEventInput!) {
  recordUsage(input: $input) {
    recorded
    reason
  }
}"""
RECORD_USAGE_VARIABLES = {"input": {"userId": "124", "featureId": "api-calls", "delta": 100, "action": "SET"}}

# An object is returned, yet nothing of it selected.
GENERATE_USER_TOKEN = """mutation generateUserToken($userId: String!) {
  generateUserToken(userId: $userId)
}"""

# The placing of the documented errors: the field stands on line 2, column 3.
SUBSCRIBE_BRIEFLY = """mutation ($packageIds: [String!]!, $userId: String!) {
  subscribe(packageIds: $packageIds, userId: $userId) {
    id
  }
}"""

FIFTY_POUNDS_A_MONTH = {
    "id": "price_1L7NHvIiEnRX8aivoxbSWREF",
    "provider": "STRIPE",
    "amount": 5000,
    "displayAmount": "50.00",
    "currency": "gbp",
    "interval": "month",
}
TWENTY_POUNDS_ONCE = {
    "id": "price_id_6gSGwU839shamnskk7LSNME",
    "provider": "STRIPE",
    "amount": 2000,
    "displayAmount": "20.00",
    "currency": "gbp",
    "interval": None,
}


def package(
    package_id: str, name: str, status: str, updated_at: str, feature: dict[str, Any], price: dict[str, Any] | None
) -> dict[str, Any]:
    """A package as the documents print it."""
    return {
        "id": package_id,
        "name": name,
        "status": status,
        "metadata": {},
        "features": [feature],
        "prices": [price] if price else [],
        "isAddon": package_id == "proactive-messaging",
        "updatedAt": updated_at,
    }


def in_package(limit: str, feature: dict[str, Any]) -> dict[str, Any]:
    """A feature within a package: `limit` is printed as a string."""
    return {**feature, "limit": limit}
