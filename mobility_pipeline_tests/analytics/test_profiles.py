import io
from pathlib import Path

import polars as pl
import pytest

from mobility_pipeline.analytics.profiles import portraits_of, read_profiles
from mobility_pipeline.errors import ProfilesRefusedError
from mobility_pipeline_tests.analytics.fixes import make_profiles

HEADER = "device_id,gender,age\n"


def parquet(table: pl.DataFrame) -> bytes:
    """Return a table as the content of a Parquet file."""
    stream = io.BytesIO()
    table.write_parquet(stream)
    return stream.getvalue()


def refusal(content: bytes | str) -> tuple[str, ...]:
    """Return the problems for which a content is refused."""
    with pytest.raises(ProfilesRefusedError) as caught:
        read_profiles(content.encode() if isinstance(content, str) else content)
    return caught.value.problems


def test_a_csv_is_read_by_path(tmp_path: Path) -> None:
    """Columns stand in any order, beside others; empty values are not known."""
    path = tmp_path / "people"
    path.write_text("age,city,Gender , device_id\n20,X,male,U2\n,,,U3\n54,Y,f,U1\n")
    expected = make_profiles(
        [("U1", "female", 54), ("U2", "male", 20), ("U3", None, None)]
    )
    assert read_profiles(path).equals(expected)
    assert read_profiles(str(path)).equals(expected)


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_what_spreadsheets_write_is_read(newline: str) -> None:
    """A byte order mark, other line ends, quotes and blank lines change nothing."""
    text = '\ufeffdevice_id,gender,age\n"U1", M ,"20"\n\n,,\n'.replace("\n", newline)
    assert read_profiles(text.encode()).rows() == [("U1", "male", 20)]


def test_a_parquet_of_numbers_with_gaps_is_read() -> None:
    """Whole numbers that a gap made decimal are whole; a missing number is not known."""
    table = pl.DataFrame(
        {
            "device_id": [460001, 460002, 460003],
            "gender": [1.0, 2.0, float("nan")],
            "age": [20.0, float("nan"), None],
        }
    )
    assert read_profiles(parquet(table)).rows() == [
        ("460001", "male", 20),
        ("460002", "female", None),
        ("460003", None, None),
    ]


def test_s3_is_read_by_who_can() -> None:
    """An `s3://` address is opened by the function that was passed."""
    asked: list[str] = []

    def open_uri(uri: str) -> bytes:
        asked.append(uri)
        return HEADER.encode() + b"U1,female,7\n"

    profiles = read_profiles("s3://bucket/people.csv", open_uri)
    assert profiles.rows() == [("U1", "female", 7)]
    assert asked == ["s3://bucket/people.csv"]


@pytest.mark.parametrize(
    ("word", "gender"),
    [
        *((word, "male") for word in ("male", "Male", "MAN", "m", "1")),
        *((word, "female") for word in ("female", "FEMALE", "woman", "F", "2")),
        *((word, None) for word in ("", " ", "unknown", "U", "other", "x", "9", "nan")),
    ],
)
def test_words_for_gender(word: str, gender: str | None) -> None:
    """Each usual word for a gender is understood."""
    assert read_profiles(f"{HEADER}U1,{word},3\n".encode()).rows() == [
        ("U1", gender, 3)
    ]


def test_device_ids_are_written_as_in_positionfixes() -> None:
    """UUIDs are lower-case; other ids are left as they are, but for blanks around them."""
    upper = "38400000-8CF0-11BD-B23E-10B96E40000D"
    profiles = read_profiles(f"{HEADER}{upper},m,3\n U1 ,m,3\n".encode())
    assert profiles["device_id"].to_list() == [upper.lower(), "U1"]


def test_a_row_that_is_there_twice_counts_once() -> None:
    """Equal rows are one person, also where they say it in other words."""
    assert len(read_profiles(f"{HEADER}U1,m,3\nU1,male,3\nU1,1,3.0\n".encode())) == 1


def test_the_bounds_of_age_are_ages() -> None:
    """0 and 120 years are ages."""
    profiles = read_profiles(f"{HEADER}U1,m,0\nU2,m,120\n".encode())
    assert profiles["age"].to_list() == [0, 120]


@pytest.mark.parametrize("age", ["-1", "121", "20.5", "old", "inf", "1e3", "20-29"])
def test_what_is_no_age_is_refused(age: str) -> None:
    """An age that no person can have is refused, and the row named."""
    assert refusal(f"{HEADER}U1,m,20\nU2,m,{age}\n") == (
        "1 row with an age that is no whole number of years from 0 to 120 (2)",
    )


@pytest.mark.parametrize("word", ["0", "boy", "true", "3"])
def test_strange_words_for_gender_are_refused(word: str) -> None:
    """A word that is not known is refused; so is 0, which is female here, unknown there."""
    (problem,) = refusal(f"{HEADER}U1,{word},20\n")
    assert problem.startswith("1 row with a gender other than male, m, ")


@pytest.mark.parametrize("second", ["U1,f,20", "U1,m,21", "U1,,20", "U1,m,"])
def test_a_device_with_two_profiles_is_refused(second: str) -> None:
    """Which of two contradicting rows is right, only their owner knows."""
    assert refusal(f"{HEADER}U1,m,20\nU2,m,3\n{second}\n") == (
        "2 rows of devices that another row gives another gender or age (1, 3)",
    )


def test_every_kind_of_problem_is_told_without_a_device() -> None:
    """All problems are told at once, with the first rows, and never with an id."""
    text = HEADER + ",m,3\nsecret-7,boy,200\n" + "secret-8,m,-1\n" * 6
    problems = refusal(text)
    assert [problem.split(" (")[1] for problem in problems] == [
        "1)",
        "2)",
        "2, 3, 4, 5, 6, …)",
    ]
    assert problems[2].startswith("7 rows with an age")
    assert "secret" not in "".join(problems)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "the file is empty"),
        (b" \n", "the file is empty"),
        (b"device_id;gender;age\nU1;m;3\n", "a CSV has commas between them"),
        (b"device_id,age\nU1,3\n", "there is no column gender"),
        (b"device_id,gender,age\nU1,m,3,4,5\n", "neither Parquet nor a CSV"),
        (b"device_id,gender,age\n\xff\xfe,m,3\n", "neither Parquet nor a CSV"),
        (b"PAR1 and nothing else", "neither Parquet nor a CSV"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "no column device_id, gender, age"),
        (
            parquet(pl.DataFrame({"device_id": [1.5], "gender": ["m"], "age": [1]})),
            "device_id is a column of decimal numbers",
        ),
        (
            parquet(
                pl.DataFrame({"device_id": ["U1"], "gender": [{"a": 1}], "age": 1})
            ),
            "with a gender other than",
        ),
    ],
)
def test_files_that_are_something_else_are_refused(content: bytes, words: str) -> None:
    """What is no table of profiles is refused in words."""
    assert words in "".join(refusal(content))


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """A missing file and an address nobody can open are the user's mistake."""
    for source in (tmp_path / "none.csv", str(tmp_path), "https://host/people.csv"):
        with pytest.raises(ProfilesRefusedError, match="ANALYTICS_PROFILES"):
            read_profiles(source)


def test_a_header_alone_is_nobody() -> None:
    """A file without rows is read: nobody has a profile."""
    profiles = read_profiles(HEADER.encode())
    assert profiles.schema == make_profiles([]).schema
    assert profiles.is_empty()


def test_the_edges_of_the_age_bands() -> None:
    """Bands are half-open: 9 is in none, 10, 20 and 40 begin one."""
    ages = [0, 9, 10, 19, 20, 39, 40, 120, None]
    profiles = make_profiles(
        (f"d{number}", None, age) for number, age in enumerate(ages)
    )
    of_age = portraits_of(profiles).filter(pl.col("portrait_id") != 6)
    assert of_age.rows() == [
        ("d2", 3),
        ("d3", 3),
        ("d4", 4),
        ("d5", 4),
        ("d6", 5),
        ("d7", 5),
    ]


def test_portraits_of_people() -> None:
    """Who has a gender is in it and never unknown; who has none is unknown, with a band."""
    profiles = make_profiles([("a", "male", 9), ("b", "female", 30), ("c", None, 30)])
    assert portraits_of(profiles).rows() == [
        ("a", 1),
        ("b", 2),
        ("b", 4),
        ("c", 4),
        ("c", 6),
    ]
