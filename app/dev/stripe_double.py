"""`python -m app.dev.stripe_double`: the double of Stripe by itself, until it is stopped."""

import secrets
import signal
import threading
from pathlib import Path

import click

from app.dev.children import end_with_parent
from app.gateways.stripe_double import StripeDouble


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Where it listens.")
@click.option("--port", default=12111, show_default=True, help="Likewise; 0 takes a free one.")
@click.option(
    "--kept-in", type=click.Path(path_type=Path, dir_okay=False), help="A file that keeps everything over a restart."
)
@click.option("--webhooks-to", metavar="URL", help="Send every event there.")
@click.option("--webhook-secret", metavar="SECRET", help="Sign them with this; made up, and printed, without.")
@click.option("--stop-with-parent", is_flag=True, help="Stop when the process that started this one ends (Linux).")
def run(
    host: str,
    port: int,
    kept_in: Path | None,
    webhooks_to: str | None,
    webhook_secret: str | None,
    stop_with_parent: bool,
) -> None:
    """A Stripe on this machine, on which no money moves. Its first page shows everything, and lets time go on."""
    if stop_with_parent:
        end_with_parent()
    stopped = threading.Event()
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, lambda *_: stopped.set())
    try:
        double = StripeDouble(host=host, port=port, kept_in=kept_in)
    except OSError as error:
        raise click.ClickException(f"port {port} cannot be had: {error.strerror}") from error
    with double:
        click.echo(f"STRIPE_API_BASE={double.url}")
        click.echo("STRIPE_API_KEY=sk_test_double")
        if webhooks_to:
            secret = webhook_secret or f"whsec_{secrets.token_urlsafe(24)}"
            double.world.send_webhooks_to(webhooks_to, secret)
            click.echo(f"STRIPE_WEBHOOK_SECRET={secret}")
        stopped.wait()


if __name__ == "__main__":
    run()
