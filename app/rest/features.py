"""Features over REST."""

from litestar import Controller, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from app.contract.actors import Actor
from app.contract.features import CreateFeature, Feature, UpdateFeature
from app.contract.shapes import Page, PageRequest
from app.edge.threads import in_thread
from app.rest.parameters import FeatureId
from app.rest.problems import read_problems, write_problems
from app.services import features


class Features(Controller):
    path = "/features"
    tags = ("Features",)

    @post(operation_id="createFeature", summary="Create a feature", responses=write_problems(409))
    async def create(self, actor: NamedDependency[Actor], data: JSONBody[CreateFeature]) -> Feature:
        """Its id must be new, and its type can never change."""
        return await in_thread(features.create_feature, actor, data)

    @get(operation_id="features", summary="List features", responses=read_problems())
    async def list_page(self, actor: NamedDependency[Actor], page: NamedDependency[PageRequest]) -> Page[Feature]:
        """Oldest first, in pages."""
        return await in_thread(features.list_features, actor, page)

    @get("/{featureId:str}", operation_id="feature", summary="Get a feature", responses=read_problems(404))
    async def read(self, actor: NamedDependency[Actor], feature_id: FeatureId) -> Feature:
        """One feature."""
        return await in_thread(features.get_feature, actor, feature_id)

    @patch("/{featureId:str}", operation_id="updateFeature", summary="Update a feature", responses=write_problems(404))
    async def update(
        self, actor: NamedDependency[Actor], feature_id: FeatureId, data: JSONBody[UpdateFeature]
    ) -> Feature:
        """Changes its labels, thresholds or metadata. Absent fields stay as they are, null ones are cleared."""
        return await in_thread(features.update_feature, actor, feature_id, data)

    @delete(
        "/{featureId:str}",
        operation_id="deleteFeature",
        summary="Delete a feature",
        responses=read_problems(404, 409),
        status_code=200,
    )
    async def remove(self, actor: NamedDependency[Actor], feature_id: FeatureId) -> Feature:
        """Deletes a feature that no package holds and nobody has used. Answers with what it was."""
        return await in_thread(features.delete_feature, actor, feature_id)
