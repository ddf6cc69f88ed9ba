"""Chance that is the same each time: one generator per purpose, from its name."""

import hashlib

import numpy as np


def make_rng(*parts: object) -> np.random.Generator:
    """Make the generator that belongs to these parts, whatever was drawn elsewhere."""
    digest = hashlib.sha256("|".join(str(part) for part in parts).encode()).digest()
    return np.random.default_rng(np.frombuffer(digest, dtype=np.uint32))
