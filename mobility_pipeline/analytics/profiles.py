"""Profiles: gender and age of the people behind some devices, where an operator has them.

Source: one CSV (UTF-8, commas, a header) or Parquet file of the operator's. Shape: one row
per device with `device_id`, `gender` and `age`; other columns are not read. Cadence: none;
it is read anew whenever tables are made. What does not hold is refused, never skipped: a
person who is silently dropped would be counted as unknown for ever.
"""

import io
from collections.abc import Callable
from pathlib import Path

import polars as pl

from mobility_pipeline.analytics.portrait import PORTRAITS
from mobility_pipeline.errors import ProfilesRefusedError

MAX_AGE = 120
"""Years: one person is known to have lived longer, by two."""

_NOT_A_NUMBER = "nan"
"""What some tools write where a number is missing."""

COLUMNS = ("device_id", "gender", "age")
GENDERS = {
    **dict.fromkeys(("male", "m", "man", "1"), "male"),
    **dict.fromkeys(("female", "f", "woman", "2"), "female"),
    **dict.fromkeys(("", "unknown", "u", "other", "x", "9", _NOT_A_NUMBER), None),
}
"""Word, in lower case -> what it says; the digits are those of ISO/IEC 5218.

Its 0, not known, is refused: in other tables it means female.
"""

_UUID = r"^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$"
_WORDS = "male, m, man, 1, female, f, woman, 2, unknown, u, other, x, 9 or nothing"
_EXAMPLES = 5
_PARQUET = b"PAR1"


def read_profiles(
    source: str | Path | bytes, open_uri: Callable[[str], bytes] | None = None
) -> pl.DataFrame:
    """Read and check a file of profiles.

    Device ids are trimmed, and lower-case where they are UUIDs, as in positionfixes. A row
    that is there twice counts once.

    Args:
        source: path of a CSV or Parquet file, or its content; or an `s3://` address.
        open_uri: reads the content of such an address; may raise its own errors.

    Returns:
        One row per device, sorted: `device_id` (String), `gender` (`male`, `female` or
        null = not known), `age` in completed years (Int16; null = not known).

    Raises:
        ProfilesRefusedError: it can't be read, lacks a column, or has a row with no device,
            another gender word, an age that is no whole number from 0 to 120, or another
            gender or age than an earlier row of the device. Names rows, never devices.
    """
    rows = _understand(_open(_content(source, open_uri)))
    _refuse(rows)
    return rows.select(COLUMNS).unique().sort("device_id")


def portraits_of(profiles: pl.DataFrame) -> pl.DataFrame:
    """List the portraits each person is in, but for everybody's.

    Returns:
        `device_id`, `portrait_id` (Int8), sorted: one row per person and portrait 1…6.
        People without profile have no row; they are in 6 too.
    """
    return pl.concat(
        profiles.filter(who).select("device_id", portrait_id=pl.lit(number, pl.Int8))
        for number, who in PORTRAITS.items()
        if number > 0
    ).sort("device_id", "portrait_id")


def _content(
    source: str | Path | bytes, open_uri: Callable[[str], bytes] | None
) -> bytes:
    if isinstance(source, bytes):
        return source
    if isinstance(source, str) and "://" in source:
        if open_uri is None or not source.startswith("s3://"):
            raise ProfilesRefusedError(["give a path or an s3:// address"])
        return open_uri(source)
    try:
        return Path(source).read_bytes()
    except OSError as error:
        problem = f"{source} can't be read: {error.strerror}"
        raise ProfilesRefusedError([problem]) from error


def _open(content: bytes) -> pl.DataFrame:
    """Read the three columns as trimmed texts, with the number of each row from 1 on."""
    if not content.strip():
        raise ProfilesRefusedError(["the file is empty"])
    try:
        if content.startswith(_PARQUET):
            table = pl.read_parquet(io.BytesIO(content))
        else:
            table = pl.read_csv(io.BytesIO(content), infer_schema=False)
        table = _choose_columns(table)
        texts = pl.col(COLUMNS).cast(pl.String).str.strip_chars()
        return table.select(texts.replace("", None)).with_row_index("row", 1)
    except (pl.exceptions.PolarsError, OSError):
        # Without its cause, which quotes the file.
        problem = "the file is neither Parquet nor a CSV in UTF-8 with commas"
        raise ProfilesRefusedError([problem]) from None


def _choose_columns(table: pl.DataFrame) -> pl.DataFrame:
    places = {name.strip().lower(): name for name in table.columns}
    missing = [name for name in COLUMNS if name not in places]
    if missing:
        raise ProfilesRefusedError(
            [
                f"there is no column {', '.join(missing)}: the columns are named "
                f"{', '.join(COLUMNS)}, and a CSV has commas between them"
            ]
        )
    chosen = table.select(pl.col(places[name]).alias(name) for name in COLUMNS)
    if chosen["device_id"].dtype.is_float():
        problem = (
            "device_id is a column of decimal numbers, which are cut: make it texts"
        )
        raise ProfilesRefusedError([problem])
    return chosen


def _understand(table: pl.DataFrame) -> pl.DataFrame:
    """Put the values into our words, and say of each row which of them are bad."""
    device_id, age = pl.col("device_id"), pl.col("age")
    # 1.0 is what a column of numbers with gaps makes of 1.
    word = pl.col("gender").fill_null("").str.to_lowercase().str.strip_suffix(".0")
    years = age.cast(pl.Float64, strict=False)
    is_age = (years.is_between(0, MAX_AGE) & (years == years.floor())).fill_null(False)
    has_age = age.is_not_null() & (age.str.to_lowercase() != _NOT_A_NUMBER)
    is_uuid = device_id.str.contains(_UUID)
    return table.filter(~pl.all_horizontal(pl.col(COLUMNS).is_null())).select(
        "row",
        device_id=pl.when(is_uuid)
        .then(device_id.str.to_lowercase())
        .otherwise(device_id),
        gender=word.replace_strict(GENDERS, default=None, return_dtype=pl.String),
        age=pl.when(is_age).then(years).cast(pl.Int16),
        has_no_device=device_id.is_null(),
        has_strange_gender=~word.is_in([*GENDERS]),
        has_strange_age=has_age & ~is_age,
    )


def _refuse(rows: pl.DataFrame) -> None:
    """Refuse the file for every kind of problem it has, each with its first rows."""
    alike = rows.select(COLUMNS).unique().filter(pl.col("device_id").is_duplicated())
    contradicted = pl.col("device_id").is_in(alike["device_id"].unique().implode())
    kinds = {
        "without device_id": pl.col("has_no_device"),
        f"with a gender other than {_WORDS}": pl.col("has_strange_gender"),
        f"with an age that is no whole number of years from 0 to {MAX_AGE}": pl.col(
            "has_strange_age"
        ),
        "of devices that another row gives another gender or age": contradicted,
    }
    found = {kind: rows.filter(which)["row"] for kind, which in kinds.items()}
    problems = [_describe(kind, bad) for kind, bad in found.items() if len(bad)]
    if problems:
        raise ProfilesRefusedError(problems)


def _describe(kind: str, rows: pl.Series) -> str:
    first = ", ".join(str(row) for row in rows.head(_EXAMPLES))
    more = ", …" if len(rows) > _EXAMPLES else ""
    return f"{len(rows):,} row{'s'[: len(rows) > 1]} {kind} ({first}{more})"
