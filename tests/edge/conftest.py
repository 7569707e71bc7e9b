"""What the tests of the edge share."""

import pytest

from tests.edge.desk import Desk


@pytest.fixture
def desk() -> Desk:
    return Desk()
