from typing import TYPE_CHECKING

from mobility_pipeline.landing.storage import Bucket
from mobility_pipeline.resources.aws import find_region
from mobility_pipeline_tests.landing.store import make_buckets
from mobility_pipeline_tests.landing.wire import Wire

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

ROLE = "arn:aws:iam::123456789012:role/writer"


def test_buckets_of_a_role_share_its_session(
    wire: Wire, bucket: Bucket, s3: "S3Client"
) -> None:
    """STS is asked once, however many buckets are opened."""
    other = f"{bucket.name}-other"
    s3.create_bucket(Bucket=other)
    buckets = make_buckets(wire.url, ROLE, VERASET_API_KEY=other)
    for name in (bucket.name, other, bucket.name):
        assert buckets(name).list_folder("a", "listing") == {}
    assert wire.assumed == 1


def test_other_settings_are_other_credentials(wire: Wire, bucket: Bucket) -> None:
    """A secret changed since the last run counts."""
    for key in ("first", "second"):
        buckets = make_buckets(wire.url, AWS_ACCESS_KEY_ID=key)
        assert buckets.identity.credentials().access_key == key
        assert buckets(bucket.name).list_folder("a", "listing") == {}


def test_a_bucket_is_found_in_its_region(wire: Wire, s3: "S3Client") -> None:
    """S3 tells anybody where a bucket lies; where it does not, the default holds."""
    s3.create_bucket(
        Bucket="far-away", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
    )
    assert find_region(wire.url, "far-away", "us-west-2") == "eu-west-1"
    assert find_region(wire.url, "no-such-bucket", "us-west-2") == "us-west-2"
    assert find_region("http://127.0.0.1:9", "far-away", "us-west-2") == "us-west-2"
