from bench.regions import CITY, join, make_fixes, make_layer, make_pings, make_points
from mobility_pipeline.analytics.regions import h3_regions, polygon_regions


def test_both_methods_that_are_measured_agree() -> None:
    """On a small layer with corners along its edges."""
    layer, (lon, lat) = make_layer(60), make_points(3_000)
    assert polygon_regions(CITY, layer).assign(lon, lat).to_list() == join(
        layer, lon, lat
    )


def test_most_pings_that_are_measured_are_fixes() -> None:
    """A day on which nearly everything is dropped would be fast."""
    assert make_fixes(make_pings(3_000), h3_regions(CITY, 7)) > 2_900
