"""What the environment may say, and how it is told when it is wrong."""

import pytest

from app.settings import DEVELOPMENT_SECRET_KEY, Settings, SettingsError, environment_with, settings
from tests.environment import environment

GOOD_KEY = "0123456789abcdef0123456789abcdef"


def refusal(**variables: str | None) -> str:
    with environment(**variables), pytest.raises(SettingsError) as refused:
        settings()
    # The cause would carry the values into a trace, secrets among them.
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__ is True
    return str(refused.value)


@pytest.mark.parametrize(
    "given",
    [
        "postgres://ann:s3cret@db.example:5432/shop?sslmode=require",
        "postgresql://ann:s3cret@db.example:5432/shop?sslmode=require",
        "postgresql+psycopg://ann:s3cret@db.example:5432/shop?sslmode=require",
    ],
)
def test_every_spelling_of_a_postgres_url_is_accepted(given: str) -> None:
    with environment(METERLINE_ENV="development", DATABASE_URL=given):
        assert settings().database_url == ("postgresql+psycopg://ann:s3cret@db.example:5432/shop?sslmode=require")


@pytest.mark.parametrize(
    "given",
    ["mysql://ann:s3cret@db/shop", "db.example/s3cret", "postgresql+asyncpg://ann:s3cret@db/shop", "postgres:s3cret"],
)
def test_another_database_is_refused_without_telling_its_url(given: str) -> None:
    message = refusal(METERLINE_ENV="development", DATABASE_URL=given)
    assert message == "database_url: Value error, must be a postgres:// or postgresql:// URL"


@pytest.mark.parametrize("secret_key", [None, "", DEVELOPMENT_SECRET_KEY, "s3cret", GOOD_KEY[:-1]])
@pytest.mark.parametrize("declared", [None, "production"])
def test_production_refuses_to_start_without_a_secret_key(secret_key: str | None, declared: str | None) -> None:
    message = refusal(METERLINE_ENV=declared, SECRET_KEY=secret_key)
    assert message == (
        "environment: Value error, SECRET_KEY must be set to at least 32 random characters in production, "
        "for example from `openssl rand -hex 32` (or set METERLINE_ENV=development)"
    )


def test_production_starts_with_a_secret_key_of_32_characters() -> None:
    with environment(METERLINE_ENV=None, SECRET_KEY=GOOD_KEY):
        assert (settings().environment, settings().secret_key) == ("production", GOOD_KEY)


def test_development_needs_nothing() -> None:
    with environment(METERLINE_ENV="development", SECRET_KEY=None, DATABASE_URL=None, REDIS_URL="", PORT=None):
        found = settings()
        assert (found.secret_key, found.database_url) == (
            DEVELOPMENT_SECRET_KEY,
            "postgresql+psycopg://localhost/meterline",
        )
        assert (found.redis_url, found.port) == ("redis://localhost:6379/0", 8000)


def test_all_problems_are_told_at_once_and_no_value() -> None:
    message = refusal(METERLINE_ENV="staging-s3cret", PORT="s3cret", DATABASE_POOL_SIZE="0", MAX_BODY_BYTES="1")
    assert [part.partition(":")[0] for part in message.split("; ")] == [
        "METERLINE_ENV",
        "database_pool_size",
        "port",
        "max_body_bytes",
    ]
    assert "s3cret" not in message


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PORT", "65536"),
        ("API_KEY_CACHE_SECONDS", "-1"),
        ("SCHEDULE_MAINTENANCE_HEARTBEAT", "-1"),
        ("LOG_LEVEL", "LOUD"),
    ],
)
def test_a_number_or_a_word_out_of_range_is_refused(variable: str, value: str) -> None:
    assert refusal(METERLINE_ENV="development", **{variable: value}).startswith(f"{variable.lower()}: Input should be ")


def test_the_settings_are_read_once_and_cannot_be_changed() -> None:
    with environment(METERLINE_ENV="development"):
        assert settings() is settings()
        with pytest.raises(ValueError, match="frozen"):
            settings().port = 1  # type: ignore[misc]


def test_no_secret_is_in_the_text_of_the_settings() -> None:
    secrets = {
        "DATABASE_URL": "postgres://ann:s3cret-1@db.example/shop",
        "REDIS_URL": "rediss://:s3cret-2@redis.example:6380/0",
        "SECRET_KEY": f"s3cret-3-{GOOD_KEY}",
        "STRIPE_API_KEY": "sk_test_s3cret-4",
        "STRIPE_API_BASE": "http://ann:s3cret-5@127.0.0.1:12111",
        "STRIPE_WEBHOOK_SECRET": "whsec_s3cret-6,whsec_s3cret-7",
        "METRICS_TOKEN": "s3cret-8-0123456789",
    }
    with environment(METERLINE_ENV="development", **secrets):
        found = settings()
        texts = [repr(found), str(found), f"{found}", repr({"settings": found}), *map(str, found.__repr_args__())]
    assert "port=8000" in repr(found)
    assert [text for text in texts if "s3cret" in text] == []
    # A setting that is new is hidden, or listed here as one that anybody may see.
    hidden = {name for name, field in Settings.model_fields.items() if not field.repr}
    assert hidden == {name.lower() for name in secrets}
    words = ("secret", "key", "token", "password", "url")
    suspicious = {name for name in Settings.model_fields if any(word in name for word in words)}
    assert suspicious - hidden == {"api_key_cache_seconds", "token_issuer"}


def test_a_process_that_we_start_sees_our_environment_and_what_is_put_on_top(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METERLINE_TEST_A", "a")
    monkeypatch.setenv("METERLINE_TEST_B", "b")
    seen = environment_with(METERLINE_TEST_B="other")
    assert (seen["METERLINE_TEST_A"], seen["METERLINE_TEST_B"]) == ("a", "other")


def test_stripes_webhook_secret_may_be_those_of_two_endpoints_while_one_replaces_another() -> None:
    with environment(METERLINE_ENV="development", STRIPE_WEBHOOK_SECRET="whsec_new, whsec_old,whsec_thin, whsec_was"):
        assert settings().stripe_webhook_secrets == ("whsec_new", "whsec_old", "whsec_thin", "whsec_was")
    with environment(METERLINE_ENV="development", STRIPE_WEBHOOK_SECRET=None):
        assert settings().stripe_webhook_secrets == ()


def test_five_secrets_and_an_address_without_a_scheme_are_refused() -> None:
    message = refusal(METERLINE_ENV="development", STRIPE_WEBHOOK_SECRET="a,b,c,d,e", STRIPE_API_BASE="stripe.example")
    assert message == (
        "stripe_api_base: Value error, must be an https:// or http:// URL; "
        "stripe_webhook_secret: Value error, must be one secret, or up to four separated by commas"
    )
