# What we use of h3ronpy, which has no types of arrays; they are Arrow's.
from enum import Enum
from typing import Any

class ContainmentMode(Enum):
    Covers = ...

def cells_to_string(cellarray: Any) -> Any: ...
