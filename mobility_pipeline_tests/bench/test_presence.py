"""What `python -m bench.presence` compares; its numbers are an oracle of presence too."""

from bench.presence import DAY, count_with_pandas, make_day
from mobility_pipeline.analytics.device_hours import make_device_hours
from mobility_pipeline.analytics.presence import count_presence


def test_pandas_counts_the_same() -> None:
    """Presence of a generated day is what pandas' `groupby().nunique()` counts."""
    fixes, profiles = make_day(20_000)
    ours = count_presence(make_device_hours(fixes, DAY), profiles)
    assert ours.height > 1_000
    assert ours.equals(count_with_pandas(fixes.to_pandas(), profiles.to_pandas()))
