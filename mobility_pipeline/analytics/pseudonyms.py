"""Pseudonyms: what a list of devices names instead of their ids."""

import hashlib
import hmac

import polars as pl


def make_pseudonyms(device_ids: pl.Series, secret: bytes) -> pl.Series:
    """Return a keyed pseudonym of each device: HMAC-SHA256, as 64 hexadecimal digits.

    The same device has the same pseudonym for as long as the secret stays; without the
    secret nobody can tell which device it is, not even by trying every id.

    Args:
        device_ids: text, no nulls.
        secret: at least 32 bytes that nobody guesses.

    References:
        RFC 2104; ENISA (2019), Pseudonymisation techniques and best practices.
    """
    names = [
        hmac.digest(secret, device.encode(), hashlib.sha256).hex()
        for device in device_ids
    ]
    return pl.Series("pseudonym", names, pl.String)
