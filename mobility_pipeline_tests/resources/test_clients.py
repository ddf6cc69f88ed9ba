import pytest

from mobility_pipeline.errors import StorageForbiddenError
from mobility_pipeline.landing.storage import Bucket
from mobility_pipeline.resources.clients import open_registry
from mobility_pipeline.settings import Settings
from mobility_pipeline_tests.landing.store import make_buckets
from mobility_pipeline_tests.landing.wire import Wire

ROLE = "arn:aws:iam::123456789012:role/writer"


class TestRegistry:
    """A registry on S3 is opened with the lake's role."""

    @pytest.fixture
    def settings(self, wire: Wire, bucket: Bucket) -> Settings:
        """Give settings of a registry in a bucket, of a role."""
        cities = f"s3://{bucket.name}/cities"
        variables = {"LAKE_ROLE_ARN": ROLE, "MOBILITY_CITIES": cities}
        return make_buckets(wire.url, **variables).settings

    def test_it_is_read(self, wire: Wire, settings: Settings) -> None:
        """An empty prefix is no city."""
        assert open_registry(settings).load().active == {}
        assert wire.assumed == 1

    def test_a_refused_role_is_told_as_it_is(
        self, wire: Wire, settings: Settings
    ) -> None:
        """Not as something that is wrong with the registry."""
        wire.set_faults(deny_assume_role=True)
        with pytest.raises(StorageForbiddenError, match=r"^role .*LAKE_ROLE_ARN"):
            open_registry(settings)
