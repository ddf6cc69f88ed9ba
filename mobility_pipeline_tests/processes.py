"""Processes that tests start: real ones, that begin with what they need imported."""

import multiprocessing

PROCESSES = multiprocessing.get_context("forkserver")
"""Forks from a process that never had this one's threads; a start takes milliseconds."""

PROCESSES.set_forkserver_preload(
    [
        "mobility_pipeline_tests.cities.changers",
        "mobility_pipeline_tests.lake.eraser",
        "mobility_pipeline_tests.alerts.evaluators",
        "mobility_pipeline_tests.lake.landers",
        "mobility_pipeline_tests.lake.publisher",
        "mobility_pipeline_tests.vendor.lock_holders",
        "mobility_pipeline_tests.vendor.requester",
    ]
)
