from mobility_pipeline_tests.landing.store import (
    bucket,
    open_bucket,
    s3,
    s3_server,
    s3_url,
    wire,
)

__all__ = ["bucket", "open_bucket", "s3", "s3_server", "s3_url", "wire"]
