from datetime import date

from mobility_pipeline.cities.city import CityDay
from mobility_pipeline.lake.paths import city_day_prefix, part_name


def test_a_city_day_lies_where_readers_glob() -> None:
    """The folder is the key and the UTC date, as existing readers expect it."""
    prefix = city_day_prefix(CityDay("chile/santiago/renca", date(2024, 5, 1)))
    assert prefix == "data/chile/santiago/renca/date=2024-05-01/"


def test_a_part_is_named_by_number_and_content() -> None:
    """Other content, other name."""
    assert part_name(7, "0123abcd" * 8) == "part-00007-0123abcd.snappy.parquet"
