"""The sandbox's own S3 client: neither counted nor hit by faults."""

from typing import TYPE_CHECKING

import boto3
from botocore.config import Config

from mobility_pipeline.sandbox.s3_gate import INTERNAL_ACCESS_KEY

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

REGION = "us-west-2"


def connect_internally(s3_url: str) -> "S3Client":
    """Connect to the sandbox's S3, whatever the environment says about AWS."""
    session = boto3.Session(
        aws_access_key_id=INTERNAL_ACCESS_KEY,
        aws_secret_access_key="sandbox",  # noqa: S106 - moto checks no secrets
        region_name=REGION,
    )
    config = Config(
        s3={"addressing_style": "path"},
        retries={"mode": "standard", "total_max_attempts": 5},
        max_pool_connections=16,
        request_checksum_calculation="when_required",
    )
    return session.client("s3", endpoint_url=s3_url, config=config)
