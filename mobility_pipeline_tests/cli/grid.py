"""Many small cities for tests of plans."""

from mobility_pipeline.cities.geojson import dump_geojson
from mobility_pipeline_tests.conftest import Workplace


def add_cities(place: Workplace, count: int) -> None:
    """Fill the registry with circles on a grid."""
    for number in range(count):
        feature = {
            "type": "Feature",
            "geometry": {"type": "Point", "coordinates": [number % 100, number // 100]},
            "properties": {
                "key": f"testland/city_{number:04}",
                "country": "Testland",
                "state_province": "",
                "city": f"City {number:04}",
                "iso_country_code": "GA",
                "time_zone": "Africa/Libreville",
                "status": "active",
                "source": "synthetic",
                "radius_m": 1000,
            },
        }
        path = place.cities / "testland" / f"city_{number:04}.geojson"
        path.parent.mkdir(exist_ok=True)
        path.write_text(dump_geojson(feature))
