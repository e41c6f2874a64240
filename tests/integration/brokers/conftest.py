"""One cluster of each kind of broker for all tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.brokers.clusters import CLUSTERS, Cluster


@pytest.fixture(scope="package", params=sorted(CLUSTERS))
def cluster(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster]:
    """Return a running cluster, each kind in turn."""
    made = CLUSTERS[request.param](tmp_path_factory.mktemp(request.param))
    try:
        made.start()
        yield made
    finally:
        made.stop()
