"""The ledger over REST: event by event, and as a series."""

from typing import Annotated, Final

from litestar import Controller, get
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from app.contract.actors import Actor
from app.contract.shapes import Page, PageRequest, build
from app.contract.usage_history import ReadUsageSeries, UsageEvent, UsageSeries
from app.domain.usage_history import SeriesInterval
from app.edge.threads import in_thread
from app.rest.parameters import EventId, OfFeature, OfUser
from app.rest.problems import read_problems
from app.services import usage_history

_MOMENT: Final = {"format": "date-time"}


class UsageHistory(Controller):
    path = "/usage"
    tags = ("Usage",)

    @get("/events", operation_id="usageEvents", summary="List usage events", responses=read_problems(404))
    async def list_page(
        self, actor: NamedDependency[Actor], page: NamedDependency[PageRequest], user_id: OfUser, feature_id: OfFeature
    ) -> Page[UsageEvent]:
        """The ledger of a user and feature, in pages, newest first by the moment that events count at; refused ones too."""
        return await in_thread(usage_history.list_usage_events, actor, page, user_id, feature_id)

    @get("/events/{eventId:str}", operation_id="usageEvent", summary="Get a usage event", responses=read_problems(404))
    async def read(self, actor: NamedDependency[Actor], event_id: EventId) -> UsageEvent:
        """One event, refused ones too."""
        return await in_thread(usage_history.get_usage_event, actor, event_id)

    @get("/series", operation_id="usageSeries", summary="Show usage over time", responses=read_problems(404))
    async def series(
        self,
        actor: NamedDependency[Actor],
        user_id: OfUser,
        feature_id: OfFeature,
        from_: Annotated[
            str, QueryParameter(name="from", description="The range begins here, and holds it.", schema_extra=_MOMENT)
        ],
        to: Annotated[
            str, QueryParameter(name="to", description="The range ends here, without it.", schema_extra=_MOMENT)
        ],
        interval: Annotated[SeriesInterval, QueryParameter(name="interval", description="What each point stands for.")],
    ) -> UsageSeries:
        """What was used in each hour, day or month of UTC, for plots. At most 1,000 points."""
        asked = {"userId": user_id, "featureId": feature_id, "from": from_, "to": to, "interval": interval}
        return await in_thread(usage_history.usage_series, actor, build(ReadUsageSeries, asked))
