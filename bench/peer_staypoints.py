"""Find stops with scikit-mobility: a program for its own environment, `.venv-peers`.

`python bench/peer_staypoints.py FIXES STOPS ROUNDS`: reads fixes (CSV: uid, datetime, lng,
lat), writes stops (CSV), and prints the CPU seconds of each round, as JSON.
"""

import json
import sys
import time
import warnings

import pandas as pd

warnings.simplefilter("ignore")  # of its age

import skmob  # noqa: E402
from skmob.preprocessing import detection  # noqa: E402

# It wants a stop to be longer than this; at least 20 minutes are wanted here.
JUST_UNDER_MINUTES = 20 - 1e-6


def main() -> None:
    """Measure the method alone, without reading and writing."""
    source, target, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3])
    rows = pd.read_csv(source, parse_dates=["datetime"], dtype={"uid": str})
    cpu_s: list[float] = []
    for _ in range(rounds):
        tracks = skmob.TrajDataFrame(rows.copy())
        started = time.process_time()
        stops = detection.stay_locations(
            tracks, minutes_for_a_stop=JUST_UNDER_MINUTES, spatial_radius_km=0.2
        )
        cpu_s.append(time.process_time() - started)
    columns = ["uid", "datetime", "leaving_datetime", "lng", "lat"]
    stops[columns].to_csv(target, index=False, float_format="%.9f")
    print(json.dumps(cpu_s))


if __name__ == "__main__":
    main()
