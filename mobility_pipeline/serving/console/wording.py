"""What is wrong with a city in the form, in the form's own words."""

from collections.abc import Iterable, Mapping

from mobility_pipeline.serving.console.drafts import Draft

_LABELS: Mapping[str, str] = {
    "key": "Key",
    "city": "City",
    "state_province": "State or province",
    "country": "Country’s name",
    "iso_country_code": "Country",
    "time_zone": "Time zone",
    "first_date": "First day expected",
    "source": "Source",
    "geometry": "Boundary",
    "radius_m": "Radius in metres",
}
"""Field -> what the form calls it."""


def in_words(problems: Iterable[str], draft: Draft) -> list[str]:
    """Say what is wrong as the form calls it, and of empty boxes only that they are."""
    empty = [
        words
        for value, words in (
            (draft.iso_country_code, "Country is not chosen"),
            (draft.city.strip(), "City is empty"),
            (draft.geometry, "There is no boundary yet"),
            (draft.source.strip() or draft.geometry is None, "Source is empty"),
        )
        if not value
    ]
    others = [
        _LABELS[field] + problem.removeprefix(field)
        for problem in problems
        for field in [problem.split(" ", 1)[0]]
        if field in _LABELS and not _is_of_empty_box(field, draft)
    ]
    unknown = [
        problem for problem in problems if problem.split(" ", 1)[0] not in _LABELS
    ]
    return [*empty, *others, *unknown]


def _is_of_empty_box(field: str, draft: Draft) -> bool:
    match field:
        case "key":
            return not (draft.city.strip() and draft.country.strip())
        case "country":
            return not draft.iso_country_code
        case "time_zone":
            return not draft.time_zone and draft.geometry is None
        case "geometry":
            return draft.geometry is None
        case _:
            return not getattr(draft, field)
