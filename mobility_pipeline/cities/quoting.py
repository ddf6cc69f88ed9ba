"""Values from anybody, quoted short and safe in a message."""

import reprlib

_QUOTER = reprlib.Repr()
_QUOTER.maxstring = 240
_QUOTER.maxother = 240


def quote(value: object) -> str:
    """Return a value as Python writes it, cut where it is long or deep."""
    try:
        return _QUOTER.repr(value)
    except ValueError:  # Python does not write integers of more than 4,300 digits.
        return "a huge number"
