# pyarrow has no types of its own, and pyarrow-stubs are wrong about arrays made from
# numpy, take() and fill_null(): for the checker, what pyarrow returns is Any.
from typing import Any

def __getattr__(name: str) -> Any: ...
