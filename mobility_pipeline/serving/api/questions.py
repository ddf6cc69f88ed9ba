"""Parameters of the routes: what each means, and what is refused before anything is read."""

from typing import Annotated

from fastapi import Query

from mobility_pipeline.serving.api.hours import HOUR_PATTERN

_HOUR_WORDS = (
    "Hour of the city's local time, `yyyyMMddHH`. An hour that the clock shows twice, in "
    "autumn, means the first of the two; `fold=1` the second."
)
_MAX_LENGTH = 200

RegionId = Annotated[
    str,
    Query(
        description="Region, of the city's layer.", min_length=1, max_length=_MAX_LENGTH
    ),
]
OptionalRegionId = Annotated[
    str | None,
    Query(
        description="Only this region; none = all.",
        min_length=1,
        max_length=_MAX_LENGTH,
    ),
]
CityKey = Annotated[
    str,
    Query(
        description="Key, as `/v1/cities` names it.",
        min_length=1,
        max_length=_MAX_LENGTH,
    ),
]
OptionalCityKey = Annotated[
    str | None,
    Query(
        description="The city's key; needed where several cities have the region.",
        min_length=1,
        max_length=_MAX_LENGTH,
    ),
]
Hour = Annotated[
    str, Query(description=_HOUR_WORDS, pattern=HOUR_PATTERN, examples=["2025061110"])
]
OptionalHour = Annotated[
    str | None,
    Query(
        description=f"{_HOUR_WORDS} None = the newest hour that was observed.",
        pattern=HOUR_PATTERN,
        examples=["2025061110"],
    ),
]
Fold = Annotated[
    int, Query(ge=0, le=1, description="1 = the second of two hours written alike.")
]
PortraitId = Annotated[
    int,
    Query(
        ge=0,
        le=6,
        description="0 everybody · 1 male · 2 female · 3 = 10–19 · 4 = 20–39 · "
        "5 = 40 years and more · 6 unknown.",
    ),
]
OptionalPortraitId = Annotated[
    int | None, Query(ge=0, le=6, description="Only this portrait; none = all.")
]
