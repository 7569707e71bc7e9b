"""What all commands for operators have in common."""

import click
from alembic.util import CommandError
from sqlalchemy.exc import OperationalError

from app import logs
from app.errors import MeterlineError
from app.settings import SettingsError


class OperatorCommand(click.Command):
    """Logs are set up when a command runs, not when its help is shown: that works in any environment."""

    def invoke(self, ctx: click.Context) -> object:
        logs.configure()
        return super().invoke(ctx)


class OperatorGroup(click.Group):
    """What an operator can do something about is advice, not a trace."""

    command_class = OperatorCommand
    group_class = type  # groups inside are like this one

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except (MeterlineError, SettingsError, LookupError, CommandError) as problem:
            raise click.ClickException(str(problem)) from problem
        except OperationalError as away:
            raise click.ClickException(f"The database is busy or away. {away.orig}") from away
