"""Usage and access over REST: count it, and ask whether it may be used."""

from typing import Annotated

from litestar import Controller, get, post
from litestar.di import NamedDependency
from litestar.params import HeaderParameter, JSONBody, QueryParameter
from msgspec.structs import replace

from app.contract.actors import Actor
from app.contract.usage import CheckAccess, Entitlement, RecordedUsage, RecordUsage, ShowUsage
from app.domain.values import INT32_MAX, KEY_MAX_CHARACTERS, check_text
from app.edge import coalesce
from app.edge.threads import in_thread
from app.errors import InvalidInputError
from app.rest.parameters import KEY_HEADER, FeatureId, UserId
from app.rest.problems import read_problems, write_problems
from app.services import entitlements


class Usage(Controller):
    path = "/usage"
    tags = ("Usage",)

    @post(
        operation_id="recordUsage",
        summary="Record usage",
        responses=write_problems(404, 409),
        status_code=200,
    )
    async def record(
        self,
        actor: NamedDependency[Actor],
        data: JSONBody[RecordUsage],
        idempotency_key: Annotated[
            str | None,
            HeaderParameter(
                name=KEY_HEADER,
                description="The same as `idempotencyKey` in the body: give it in one of the two places. ASCII.",
            ),
        ] = None,
    ) -> RecordedUsage:
        """Counts usage, exactly once. A refusal is an answer, not an error: `recorded` false with a reason.

        With an idempotency key the same call can be sent again: it counts once, and a repeat gets the first answer.
        """
        return await coalesce.record_usage(actor, with_key(data, idempotency_key))


class Access(Controller):
    path = "/users/{userId:str}/features/{featureId:str}"
    tags = ("Usage",)

    @get("/access", operation_id="canUseFeature", summary="May a user use a feature?", responses=read_problems(404))
    async def check(
        self,
        actor: NamedDependency[Actor],
        user_id: UserId,
        feature_id: FeatureId,
        delta: Annotated[
            int,
            QueryParameter(
                name="delta",
                description="How much they want to use.",
                schema_extra={"minimum": 1, "maximum": INT32_MAX},
            ),
        ] = 1,
    ) -> Entitlement:
        """A question only: it counts nothing."""
        command = CheckAccess(user_id=user_id, feature_id=feature_id, delta=delta)
        return await coalesce.check_access(actor, command)

    @get("/usage", operation_id="showUsage", summary="Show what a user has used", responses=read_problems(404))
    async def show(self, actor: NamedDependency[Actor], user_id: UserId, feature_id: FeatureId) -> ShowUsage:
        """In the current period and in those before it."""
        return await in_thread(entitlements.show_usage, actor, user_id, feature_id)


def with_key(command: RecordUsage, header: str | None) -> RecordUsage:
    """The command with the idempotency key of the header, if there is one.

    Raises:
        InvalidInputError: the header is no key, or says something else than the body.
    """
    if header is None:
        return command
    check_text(KEY_HEADER, header, at_least=1, at_most=KEY_MAX_CHARACTERS)
    # Beyond ASCII no two clients encode a header alike, and one key would become two: usage counted twice.
    if not header.isascii():
        raise InvalidInputError(KEY_HEADER, "must be ASCII; send other keys as idempotencyKey in the body")
    if command.idempotency_key not in (None, header):
        raise InvalidInputError(KEY_HEADER, "differs from idempotencyKey in the body")
    return replace(command, idempotency_key=header)
