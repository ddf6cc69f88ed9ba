"""Keys of assets: the room that holds a table, then its name."""

import dagster as dg

from mobility_pipeline.schemas.derived import DERIVED_TABLES


def asset_key(name: str) -> dg.AssetKey:
    """Return the key of an asset.

    Args:
        name: of a feed, of `events`, or of a derived table.
    """
    return dg.AssetKey(["analytics" if name in DERIVED_TABLES else "lake", name])
