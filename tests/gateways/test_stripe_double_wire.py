"""The double on the wire: forms, keys, errors, lists, expansion."""

import pytest

from app.gateways.stripe_double import StripeDouble
from tests.gateways.shop import DAY, Shop
from tests.gateways.wire import said


def make(double: StripeDouble, path: str, form: dict[str, str] | str) -> str:
    answer = said(double, "POST", path, form)
    assert answer.status == 200, answer.text
    return str(answer.json["id"])


def test_without_a_key_nothing_is_answered(double: StripeDouble) -> None:
    assert said(double, "GET", "/v1/prices", key=None).problem == (401, None, None)
    assert said(double, "GET", "/v1/prices", key="sk_live_1").problem == (401, None, None)
    assert said(double, "GET", "/v1/prices", key="rk_test_1").status == 200
    # curl's `-u sk_test_x:`
    basic = {"Authorization": "Basic c2tfdGVzdF94Og=="}
    assert said(double, "GET", "/v1/prices", key=None, headers=basic).status == 200


def test_every_answer_has_a_request_id_of_its_own(double: StripeDouble) -> None:
    ids = {said(double, "GET", path).headers["Request-Id"] for path in ("/v1/prices", "/v1/none", "/v1/prices/none")}
    assert len(ids) == 3


def test_an_unknown_path_is_not_found(double: StripeDouble) -> None:
    for method, path in (("GET", "/v1/charges"), ("DELETE", "/v1/prices"), ("GET", "/v1/prices/a/b")):
        assert said(double, method, path).problem == (404, None, None)


@pytest.mark.parametrize(
    ("path", "form", "code", "param"),
    [
        ("/v1/products", "", "parameter_missing", "name"),
        ("/v1/products", "name=", "parameter_missing", "name"),
        ("/v1/products", "name=a&colour=red", "parameter_unknown", "colour"),
        ("/v1/products", "name[a]=b", None, "name"),
        ("/v1/products", "name=a&active=yes", None, "active"),
        ("/v1/products", "name=a&metadata=b", None, "metadata"),
        ("/v1/products", f"name=a&metadata[a]={'b' * 501}", None, "metadata"),
        ("/v1/prices", "currency=eur&unit_amount=5&product=prod_none", "resource_missing", "product"),
        ("/v1/prices", "currency=eur&unit_amount=5.5&product=p", "parameter_invalid_integer", "unit_amount"),
        ("/v1/prices", "currency=eur&unit_amount=5", None, "product"),
        (
            "/v1/prices",
            "currency=eur&unit_amount=5&product_data[name]=a&recurring[interval]=hour",
            None,
            "recurring[interval]",
        ),
        (
            "/v1/prices",
            "currency=eur&unit_amount=5&product_data[name]=a&recurring[count]=1",
            "parameter_unknown",
            "recurring[count]",
        ),
        (
            "/v1/prices",
            "currency=eur&unit_amount=5&product_data[name]=a&recurring[interval]=month&recurring[usage_type]=metered",
            "resource_missing",
            "recurring[meter]",
        ),
        ("/v1/checkout/sessions", "mode=payment&success_url=https://a", "parameter_missing", "line_items"),
        (
            "/v1/checkout/sessions",
            "mode=payment&success_url=https://a&line_items[0][price_data][currency]=eur",
            "parameter_unknown",
            "line_items[0][price_data]",
        ),
        ("/v1/checkout/sessions", "mode=payment&line_items[0][price]=p&success_url=a", "url_invalid", "success_url"),
        ("/v1/billing/meter_events", "event_name=none&payload[value]=1", None, "event_name"),
    ],
)
def test_a_bad_parameter_is_refused_by_its_name(
    double: StripeDouble, path: str, form: str, code: str | None, param: str
) -> None:
    assert said(double, "POST", path, form).problem == (400, code, param)
    assert double.world.objects("event") == []


def test_a_form_has_objects_and_lists(shop: Shop) -> None:
    form = (
        f"mode=payment&success_url=https://a/&line_items[0][price]={shop.once}&line_items[0][quantity]=1"
        f"&line_items[1][price]={shop.once}&line_items[1][quantity]=3&metadata[a%20b]=c%26d&expand[]=line_items"
    )
    answer = said(shop.double, "POST", "/v1/checkout/sessions", form).json
    assert [(each["quantity"], each["amount_total"]) for each in answer["line_items"]["data"]] == [(1, 900), (3, 2_700)]
    assert (answer["metadata"], answer["amount_total"]) == ({"a b": "c&d"}, 3_600)


def test_a_quantity_is_for_licensed_prices_and_only_for_those(shop: Shop) -> None:
    meter = shop.gateway.create_meter("calls", name="Calls", key="meter")
    metered = make(
        shop.double,
        "/v1/prices",
        f"currency=eur&unit_amount=2&product_data[name]=a&recurring[interval]=month&recurring[usage_type]=metered"
        f"&recurring[meter]={meter.id}",
    )
    start = "mode=subscription&success_url=https://a/&line_items[0][price]="
    with_quantity = said(shop.double, "POST", "/v1/checkout/sessions", f"{start}{metered}&line_items[0][quantity]=1")
    without = said(shop.double, "POST", "/v1/checkout/sessions", f"{start}{shop.monthly}")
    assert with_quantity.problem == (400, None, "line_items[0][quantity]")
    assert without.problem == (400, "parameter_missing", "line_items[0][quantity]")


def test_metadata_is_merged_and_an_empty_text_takes_a_key_away(double: StripeDouble) -> None:
    customer = make(double, "/v1/customers", "metadata[a]=1&metadata[b]=2")
    path = f"/v1/customers/{customer}"
    assert said(double, "POST", path, "metadata[a]=&metadata[c]=3").json["metadata"] == {"b": "2", "c": "3"}
    assert said(double, "POST", path, "metadata=").json["metadata"] == {}


def test_ids_are_expanded_through_lists_and_levels(shop: Shop) -> None:
    subscription = shop.subscribed()
    expand = "expand[]=data.customer&expand[]=data.latest_invoice.customer"
    (found,) = said(shop.double, "GET", "/v1/subscriptions", expand).json["data"]
    assert found["customer"]["object"] == "customer"
    assert found["latest_invoice"]["customer"]["id"] == subscription.customer_id
    plain = said(shop.double, "GET", f"/v1/subscriptions/{subscription.id}").json
    assert plain["customer"] == subscription.customer_id
    assert said(shop.double, "GET", "/v1/subscriptions", "expand[]=data.colour").status == 400
    assert said(shop.double, "GET", "/v1/subscriptions", "expand[]=data.a.b.c.d").status == 400


def test_a_session_shows_its_lines_only_when_asked(shop: Shop) -> None:
    session = shop.checkout()
    path = f"/v1/checkout/sessions/{session.id}"
    assert "line_items" not in said(shop.double, "GET", path).json
    (line,) = said(shop.double, "GET", f"{path}/line_items").json["data"]
    assert line["price"]["id"] == shop.monthly


def test_lists_go_both_ways_from_a_cursor(double: StripeDouble) -> None:
    a, b, c, d = (make(double, "/v1/customers", f"name={name}") for name in "abcd")

    def ids(query: str) -> tuple[list[str], bool]:
        found = said(double, "GET", "/v1/customers", query).json
        return [each["id"] for each in found["data"]], found["has_more"]

    assert ids("limit=2") == ([d, c], True)
    assert ids(f"limit=2&starting_after={c}") == ([b, a], False)
    assert ids(f"limit=2&ending_before={a}") == ([c, b], True)
    assert ids(f"limit=9&ending_before={c}") == ([d], False)
    assert said(double, "GET", "/v1/customers", "limit=101").problem[2] == "limit"
    assert said(double, "GET", "/v1/customers", "starting_after=cus_none").problem == (
        400,
        "resource_missing",
        "starting_after",
    )


def test_a_cursor_counts_also_when_its_object_fits_the_filter_no_more(shop: Shop) -> None:
    first, second, third = (shop.checkout(key=f"{number}").id for number in range(3))
    shop.double.world.pay(second)
    found = said(shop.double, "GET", "/v1/checkout/sessions", f"status=open&starting_after={second}").json
    assert [each["id"] for each in found["data"]] == [first]
    assert third != first


def test_events_are_kept_for_thirty_days(double: StripeDouble) -> None:
    make(double, "/v1/products", "name=a")
    (event,) = said(double, "GET", "/v1/events").json["data"]
    double.world.advance(30 * DAY + 1)
    assert said(double, "GET", "/v1/events").json["data"] == []
    assert said(double, "GET", f"/v1/events/{event['id']}").problem == (404, "resource_missing", "id")


def test_an_event_names_the_request_and_its_key_and_what_was_before(double: StripeDouble) -> None:
    answer = said(double, "POST", "/v1/products", "name=a", headers={"Idempotency-Key": "k1"})
    said(double, "POST", f"/v1/products/{answer.json['id']}", "name=b")
    changed, made = said(double, "GET", "/v1/events").json["data"]
    assert made["request"] == {"id": answer.headers["Request-Id"], "idempotency_key": "k1"}
    assert (made["type"], made["data"]["object"]["name"]) == ("product.created", "a")
    assert (changed["type"], changed["data"]["previous_attributes"]["name"]) == ("product.updated", "a")


def test_subscriptions_that_ended_are_listed_only_when_asked_for(shop: Shop) -> None:
    subscription = shop.subscribed()
    shop.gateway.cancel_subscription(subscription.id)

    def listed(query: str) -> list[str]:
        return [each["id"] for each in said(shop.double, "GET", "/v1/subscriptions", query).json["data"]]

    assert (listed(""), listed("status=all"), listed("status=canceled")) == ([], [subscription.id], [subscription.id])


@pytest.mark.parametrize(("days", "refused"), [(-36, True), (-34, False), (1, True)])
def test_a_meter_event_is_at_most_thirty_five_days_old_and_not_of_the_future(
    shop: Shop, days: int, refused: bool
) -> None:
    subscription = shop.subscribed()
    shop.gateway.create_meter("calls", name="Calls", key="meter")
    stamp = shop.double.world.account.now() + days * DAY
    form = f"event_name=calls&payload[stripe_customer_id]={subscription.customer_id}&payload[value]=1&timestamp={stamp}"
    answer = said(shop.double, "POST", "/v1/billing/meter_events", form)
    assert (answer.status, answer.json.get("error", {}).get("param")) == (
        (400, "timestamp") if refused else (200, None)
    )


def test_a_body_that_is_too_large_is_refused(double: StripeDouble) -> None:
    assert said(double, "POST", "/v1/products", "name=" + "a" * 1_000_001).status == 413
