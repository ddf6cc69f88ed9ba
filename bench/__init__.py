"""How fast landing, analytics, API and console are, against the fastest peers.

`make bench` builds synthetic deliveries, lands them from a local S3 server, runs the peers in
the same rounds, checks every result against what was generated, and writes `RESULTS.md` and
the README's picture. Linux only: it reads `/proc`. Nothing imports this room.

    shapes -> areas, people, rows -> deliveries, truth      what is landed
    server, supervise, measure -> arena                     how one command is measured
    tools, ours, floor -> contenders, verify                who runs, and what they must leave
    presence, regions, staypoints, api, console -> programs what is asked of it, one by one
    rounds -> results -> targets, report, picture           when they run, and what is told

Where do I go to…?

- change a delivery's shape, or a growth point: `shapes.py`
- change what a delivered row looks like: `people.py`, `rows.py`
- generate one, without measuring: `python -m bench.deliveries many --scale 0.1`
- follow a change of how landing is called: `ours.py`, `land`
- add a peer: `contenders.py`, then `rounds.py`
- change a target: `targets.py`
- measure what is not landing: `python -m bench.presence`, or `--only presence,api`
- add such a program: `programs.py` says what one is
- try it in a minute: `make bench BENCH="--scale 0.01 --rounds 1 --only many,mixed"`
"""
