import io
from typing import Any

import numpy as np
import polars as pl
import pytest
from PIL import Image
from shapely import to_wkb
from shapely.geometry import box

from mobility_pipeline.analytics.pictures import draw_flows, draw_presence_map
from mobility_pipeline.analytics.pseudonyms import make_pseudonyms

REGIONS = pl.DataFrame(
    {
        "region_id": ["west", "east"],
        "boundary_wkb": [to_wkb(box(0, 0, 1, 1)), to_wkb(box(1, 0, 2, 1))],
        "center_lon": [0.5, 1.5],
        "center_lat": [0.5, 0.5],
    }
)


def read(picture: bytes) -> np.ndarray:
    """Return the picture's colours, as they would be seen."""
    return np.asarray(Image.open(io.BytesIO(picture)).convert("RGB")).astype(int)


def count_purple(picture: bytes) -> int:
    """Count pixels of the colour of the most devices."""
    colours = read(picture)
    return int((np.abs(colours - [68, 1, 84]).sum(axis=2) < 12).sum())


def draw(counts: dict[str, int | None], k: int) -> bytes:
    """Draw presence in the two regions."""
    presence = pl.DataFrame(
        {"region_id": [*counts], "devices_count": [*counts.values()]},
        schema={"region_id": pl.String, "devices_count": pl.Int32},
    )
    return draw_presence_map(REGIONS, presence, title="a", k=k)


def test_equal_numbers_give_equal_bytes() -> None:
    """No date and no version is in the file."""
    assert draw({"west": 20, "east": 90}, 15) == draw({"east": 90, "west": 20}, 15)


def test_region_with_most_devices_is_the_darkest() -> None:
    """East covers about as much of the map as west."""
    one = count_purple(draw({"west": 20, "east": 90}, 15))
    assert one > 20_000
    assert count_purple(draw({"west": 90, "east": 90}, 15)) > 1.8 * one


def test_hidden_region_looks_unlike_any_count() -> None:
    """Whether the row is hidden or nobody was there is not seen."""
    hidden = draw({"west": 90, "east": None}, 15)
    assert hidden == draw({"west": 90}, 15)
    assert hidden != draw({"west": 90, "east": 15}, 15)


def test_map_without_any_count_is_drawn() -> None:
    """All hidden: no scale, and nothing that looks like a number."""
    assert count_purple(draw({}, 15)) == 0


@pytest.mark.parametrize("counts", [[90, 20], [None, None]], ids=["shown", "hidden"])
def test_flows_are_drawn_unless_they_are_hidden(counts: list[Any]) -> None:
    """The largest flow is the darkest arrow."""
    od = pl.DataFrame(
        {
            "origin_region_id": ["west", "east"],
            "destination_region_id": ["east", "west"],
            "devices_count": counts,
        },
        schema_overrides={"devices_count": pl.Int32},
    )
    picture = draw_flows(REGIONS, od, title="a", k=15)
    assert picture == draw_flows(REGIONS, od.reverse(), title="a", k=15)
    assert (count_purple(picture) > 1_000) == (counts[0] is not None)


def test_pseudonym_is_the_hmac_of_the_device() -> None:
    """Test case 1 of RFC 4231: the key is 20 bytes of 0x0b, the data `Hi There`."""
    expected = "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
    names = make_pseudonyms(pl.Series(["Hi There"]), b"\x0b" * 20)
    assert names.to_list() == [expected]
