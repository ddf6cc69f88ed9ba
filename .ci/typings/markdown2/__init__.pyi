# Only what we call: markdown2 has no types.
from collections.abc import Sequence

def markdown(text: str, *, extras: Sequence[str] = ...) -> str: ...
