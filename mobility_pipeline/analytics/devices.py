"""Which device sent each ping, as a number: numbers sort many times faster than ids."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

Numbers = npt.NDArray[np.int64]

IMSI = "imsi"
"""Column of the device in what is read as pings and comes of a network's events."""
_OPTED_OUT = "00000000-0000-0000-0000-000000000000"
"""The advertising id of everybody who limits tracking: not a device."""


@dataclass(frozen=True)
class Devices:
    """The devices of some pings."""

    ids: pl.Series
    """Each device once, ascending."""
    number: Numbers
    """Of each ping's device, by its place in `ids`; -1 = it has none."""


def number_devices(pings: pa.Table) -> Devices:
    """Tell the devices of pings: `ad_id` in lower case, else `caid`; blanks are none.

    Events have an `imsi` instead, which stays as it is written, as in profiles.
    """
    if IMSI in pings.column_names:
        imsis, number = _read_ids(pings, IMSI)
        ids = imsis.drop_nulls().unique().sort()
        return Devices(ids, _place(imsis, ids)[number])
    ad_ids, ad_number = _read_ids(pings, "ad_id")
    caids, caid_number = _read_ids(pings, "caid")
    ad_ids, caids = ad_ids.str.to_lowercase(), caids.str.to_lowercase()
    ids = pl.concat([ad_ids, caids]).drop_nulls().unique().sort()
    by_ad_id = _place(ad_ids, ids)[ad_number]
    by_caid = _place(caids, ids)[caid_number]
    return Devices(ids, np.where(by_ad_id >= 0, by_ad_id, by_caid))


def _read_ids(pings: pa.Table, column: str) -> tuple[pl.Series, Numbers]:
    """Return a column's distinct values, cleaned, and the place of each row's."""
    # Coded chunk by chunk: the text of a large day is too long for one array.
    coded = pings.column(column).dictionary_encode().unify_dictionaries()
    coded = coded.combine_chunks()
    text = pl.Series("id", coded.dictionary.cast(pa.string()), pl.String)
    ids = text.str.strip_chars()
    ids = ids.set(ids.is_in(["", _OPTED_OUT]), None)
    ids = pl.concat([ids, pl.Series("id", [None], pl.String)])
    return ids, coded.indices.fill_null(len(ids) - 1).to_numpy()


def _place(ids: pl.Series, among: pl.Series) -> Numbers:
    """Return the place of each id among all; -1 = null."""
    numbers = pl.int_range(len(among), eager=True)
    found = ids.replace_strict(among, numbers, default=-1, return_dtype=pl.Int64)
    return found.to_numpy()
