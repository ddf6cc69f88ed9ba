# What we use of numba: a compiled function is called as the one it was made of.
from collections.abc import Callable
from typing import Any, TypeVar

_F = TypeVar("_F", bound=Callable[..., Any])

def njit(function: _F) -> _F: ...
def vectorize(function: Callable[..., Any]) -> Callable[..., Any]: ...
