from mobility_pipeline_tests.landing.store import bucket, s3, s3_url

__all__ = ["bucket", "s3", "s3_url"]
