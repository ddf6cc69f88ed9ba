"""An attacker who tries every group of people that fits what was published."""

from itertools import product

import numpy as np
import polars as pl
import pytest

from mobility_pipeline.analytics.suppression import (
    FLOW_COUNTS,
    hide_flows,
    hide_portraits,
)

_MOST = 5
"""Of each gender: enough for k = 3 to hide for every reason it has."""


def every_world() -> np.ndarray:
    """Return counts of portraits 0…6 of every small group of people."""
    genders = [
        world for world in product(range(_MOST + 1), repeat=3) if sum(world) < 10
    ]
    return np.array(
        [
            (sum(people), people[0], people[1], *bands, people[2])
            for people in genders
            for bands in product(range(sum(people) + 1), repeat=3)
            if sum(bands) <= sum(people)
        ]
    )


def count_fitting(worlds: np.ndarray, answer: np.ndarray) -> np.ndarray:
    """Return how many values each count has in the worlds that fit; -1 is hidden."""
    is_shown = answer >= 0
    fitting = worlds[(worlds[:, is_shown] == answer[is_shown]).all(axis=1)]
    return np.array([len(np.unique(values)) for values in fitting.T])


@pytest.mark.parametrize("k", [2, 3])
def test_no_hidden_count_of_a_portrait_can_be_told(k: int) -> None:
    """Whatever is published fits at least two values of each count that it hides."""
    worlds = every_world()
    hidden = hide_portraits(worlds, k)
    assert (worlds[~hidden] >= k).all()
    answers = np.unique(np.where(hidden, -1, worlds), axis=0)
    for answer in answers:
        assert (count_fitting(worlds, answer)[answer == -1] > 1).all(), answer


@pytest.mark.parametrize("k", [2, 3])
def test_no_hidden_flow_can_be_told_where_presence_is_known(k: int) -> None:
    """Presence of both hours is published as well, where it may be."""
    flows = np.array([*product(range(2 * k + 1), repeat=3)])
    everybody = np.zeros((len(flows), 7, 3), int)
    everybody[:, 0], everybody[:, 6] = flows, flows  # nobody has a profile
    rows = pl.DataFrame(
        {name: everybody[:, :, place].ravel() for place, name in enumerate(FLOW_COUNTS)}
    ).with_columns(portrait_id=pl.Series(np.tile(range(7), len(flows))))
    published = hide_flows(rows, k).filter(pl.col("portrait_id") == 0)
    shown = published.select(pl.col(FLOW_COUNTS).fill_null(-1)).to_numpy()
    sums = np.stack([flows[:, 1] + flows[:, 2], flows[:, 0] + flows[:, 2]], axis=1)
    worlds = np.hstack([flows, sums])
    answers = np.unique(np.hstack([shown, np.where(sums < k, -1, sums)]), axis=0)
    for answer in answers:
        fitting = count_fitting(worlds, answer)[: len(FLOW_COUNTS)]
        # The largest sums of these worlds can be made in one way only.
        if answer[:3].max() == -1 and answer[3:].max() < 3 * k:
            assert (fitting > 1).all(), answer


def test_k_of_one_hides_nothing() -> None:
    """Exact numbers, zeros too."""
    worlds = every_world()
    assert not hide_portraits(worlds, 1).any()
