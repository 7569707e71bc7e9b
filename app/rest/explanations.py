"""Explanations over REST."""

from litestar import Controller, get
from litestar.di import NamedDependency

from app.contract.actors import Actor
from app.contract.explanations import Explanation
from app.contract.usage import CheckAccess
from app.edge.threads import in_thread
from app.rest.parameters import Delta, FeatureId, UserId
from app.rest.problems import read_problems
from app.services import explanations


class Explanations(Controller):
    path = "/users/{userId:str}/features/{featureId:str}"
    tags = ("Usage",)

    @get(
        "/explain",
        operation_id="explain",
        summary="Why may a user use a feature, or not?",
        responses=read_problems(404),
    )
    async def explain(
        self, actor: NamedDependency[Actor], user_id: UserId, feature_id: FeatureId, delta: Delta = 1
    ) -> Explanation:
        """Everything behind the answer of `access`: who decides and by what rule, the period, the sums, and what would help."""
        command = CheckAccess(user_id=user_id, feature_id=feature_id, delta=delta)
        return await in_thread(explanations.explain, actor, command)
