"""From two tables of a mobile operator to a city's cell layer.

Shape: CSV in UTF-8 with a header: `region_id,cell_id` says which region a cell serves,
`cell_id,lat,lon` (EPSG:4326 degrees) where it stands. Other columns are ignored.
"""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence

from slugify import slugify

from mobility_pipeline.cities.boundaries import looks_swapped, read_number
from mobility_pipeline.cities.cell_layers import CellLayer, NetworkCell
from mobility_pipeline.cities.quoting import quote
from mobility_pipeline.cities.uploads.layers import clean_text
from mobility_pipeline.errors import UploadRefusedError

_NAMED_AT_MOST = 5

Position = tuple[float, float]


def read_cells(
    region_cell: bytes, cell_loc: bytes, *, name: str, source: str
) -> tuple[CellLayer, tuple[str, ...]]:
    """Make a city's cell layer of the two tables.

    Args:
        region_cell: the file with `region_id` and `cell_id`; a cell serves one region.
        cell_loc: the file with `cell_id`, `lat` and `lon`.
        name: of the layer, as people write it.
        source: where the files are from.

    Returns:
        The cells sorted by id, and what a person should know, one sentence each.

    Raises:
        UploadRefusedError: not such a table, empty, a cell in two regions or two places,
            a position that is none, or a cell of a region without a place.
    """
    regions = dict(_read_regions(region_cell))
    places = dict(_read_places(cell_loc))
    lost = sorted(regions.keys() - places.keys())
    if lost:
        raise UploadRefusedError(
            f"{len(lost)} cells of region_cell have no row in cell_loc: {_name(lost)}"
        )
    cells = tuple(
        NetworkCell(cell_id, regions.get(cell_id), *places[cell_id])
        for cell_id in sorted(places)
    )
    idle = len(places) - len(regions)
    notes = (f"{idle} cells serve no region",) if idle else ()
    slug = slugify(name, separator="_") or "cells"
    return CellLayer(slug, clean_text(name), source, cells), notes


def _read_regions(content: bytes) -> Iterator[tuple[str, str]]:
    known: dict[str, str] = {}
    for line, row in _read_rows("region_cell", content, ("region_id", "cell_id")):
        cell_id, region_id = row["cell_id"], row["region_id"]
        before = known.setdefault(cell_id, region_id)
        if before != region_id:
            raise UploadRefusedError(
                f"line {line} of region_cell: cell {quote(cell_id)} is in region "
                f"{quote(region_id)} and in {quote(before)}: a cell serves one region"
            )
        yield cell_id, region_id


def _read_places(content: bytes) -> Iterator[tuple[str, Position]]:
    known: dict[str, Position] = {}
    for line, row in _read_rows("cell_loc", content, ("cell_id", "lat", "lon")):
        cell_id, place = row["cell_id"], _read_place(line, row)
        if known.setdefault(cell_id, place) != place:
            raise UploadRefusedError(
                f"line {line} of cell_loc: cell {quote(cell_id)} is in two places"
            )
        yield cell_id, place


def _read_place(line: int, row: Mapping[str, str]) -> Position:
    lon, lat = _read_degrees(row["lon"]), _read_degrees(row["lat"])
    if lon is None or lat is None or (lon, lat) == (0, 0):
        problem = "is no position"
    elif abs(lon) <= 180 and abs(lat) <= 90:
        return lon, lat
    else:
        swapped = looks_swapped([(lon, lat)])
        problem = "is out of range" + (": are lat and lon swapped?" if swapped else "")
    raise UploadRefusedError(
        f"line {line} of cell_loc: lat {quote(row['lat'])}, lon {quote(row['lon'])} "
        + problem
    )


def _read_degrees(text: str) -> float | None:
    try:
        return read_number(float(text))
    except ValueError:
        return None


def _read_rows(
    table: str, content: bytes, columns: Sequence[str]
) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Read the wanted columns of a CSV, with line numbers; none of them may be blank."""
    try:
        text = content.decode("utf-8-sig")
        reader = csv.DictReader(io.StringIO(text, newline=""), restval="")
        reader.fieldnames = [name.strip().lower() for name in reader.fieldnames or ()]
        _check_columns(table, reader.fieldnames, columns)
        line = 0
        for row in reader:
            line = reader.line_num
            wanted = {name: row[name].strip() for name in columns}
            for name, value in wanted.items():
                if not value:
                    raise UploadRefusedError(f"line {line} of {table} has no {name}")
            yield line, wanted
    except (UnicodeDecodeError, csv.Error) as error:
        raise UploadRefusedError(
            f"{table} is not a CSV file in UTF-8: {error}"
        ) from error
    if not line:
        raise UploadRefusedError(f"{table} has no rows")


def _check_columns(table: str, found: Sequence[str], wanted: Sequence[str]) -> None:
    missing = [name for name in wanted if name not in found]
    if missing:
        raise UploadRefusedError(
            f"{table} has no column {' or '.join(missing)}: its first line must name "
            f"{', '.join(wanted)}, and names {_name(found) if found else 'nothing'}"
        )


def _name(things: Sequence[str]) -> str:
    more = len(things) - _NAMED_AT_MOST
    named = ", ".join(map(quote, things[:_NAMED_AT_MOST]))
    return named + (f" and {more} more" if more > 0 else "")
