"""Do what the Dagster web UI does: its GraphQL over HTTP."""

import re
from dataclasses import dataclass
from typing import Any

import requests

LOCATION = {
    "repositoryName": "__repository__",
    "repositoryLocationName": "mobility_pipeline",
}

_LAUNCH_BACKFILL = """
mutation($params: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $params) {
    __typename
    ... on LaunchBackfillSuccess { backfillId }
    ... on PythonError { message }
  }
}"""
_BACKFILL = """
query($id: String!) {
  partitionBackfillOrError(backfillId: $id) {
    ... on PartitionBackfill { status numPartitions runs { runId status } }
  }
}"""
_RUNS = """
query { runsOrError { ... on Runs { results { runId status tags { key value } } } } }
"""
_RUN = "query($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"
_EVENTS = """
query($id: ID!) {
  runOrError(runId: $id) {
    ... on Run {
      eventConnection(limit: 1000) { events { ... on EngineEvent { message } } }
    }
  }
}"""
_FAILURES = """
query($id: ID!) {
  runOrError(runId: $id) {
    ... on Run {
      eventConnection(limit: 1000) {
        events {
          ... on ExecutionStepFailureEvent { stepKey error { message causes { message } } }
          ... on RunFailureEvent { message error { message } }
        }
      }
    }
  }
}"""
_REEXECUTE = """
mutation($params: ReexecutionParams!) {
  launchRunReexecution(reexecutionParams: $params) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
  }
}"""
_PARTITIONS = """
query($key: AssetKeyInput!) {
  assetNodeOrError(assetKey: $key) {
    ... on AssetNode {
      assetMaterializations(limit: 1000) { partition runId }
      partitionStats { numMaterialized numFailed }
    }
  }
}"""
_CHECKS = """
query($key: AssetKeyInput!) {
  assetNodeOrError(assetKey: $key) {
    ... on AssetNode {
      assetChecksOrError {
        ... on AssetChecks {
          checks {
            name
            executionForLatestMaterialization {
              status evaluation { description partition }
            }
            partitionStatuses {
              ... on AssetCheckMultiPartitionStatuses {
                primaryDimensionName
                ranges {
                  primaryDimStartKey primaryDimEndKey
                  secondaryDim {
                    ... on AssetCheckDefaultPartitionStatuses {
                      succeededPartitions failedPartitions inProgressPartitions
                      skippedPartitions executionFailedPartitions
                    }
                  }
                }
              }
            }
          }
        }
      }
    }
  }
}"""
_LAUNCH_RUN = """
mutation($params: ExecutionParams!) {
  launchPipelineExecution(executionParams: $params) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
    ... on RunConfigValidationInvalid { errors { message } }
  }
}"""


@dataclass(frozen=True)
class WebUi:
    """A running `dagster dev`."""

    url: str

    def ask(self, query: str, **variables: Any) -> Any:
        """Return the data of one GraphQL request."""
        answer = requests.post(
            f"{self.url}/graphql",
            json={"query": query, "variables": variables},
            timeout=60,
        ).json()
        assert "errors" not in answer, answer["errors"]
        return answer["data"]

    def launch_backfill(self, asset: list[str], partitions: list[str]) -> str:
        """Launch a backfill of some partitions; returns its id."""
        data = self.ask(
            _LAUNCH_BACKFILL,
            params={"assetSelection": [{"path": asset}], "partitionNames": partitions},
        )["launchPartitionBackfill"]
        assert data["__typename"] == "LaunchBackfillSuccess", data
        return data["backfillId"]

    def backfill(self, backfill_id: str) -> Any:
        """Return a backfill's status and runs."""
        return self.ask(_BACKFILL, id=backfill_id)["partitionBackfillOrError"]

    def runs(self) -> list[Any]:
        """Return every run."""
        return self.ask(_RUNS)["runsOrError"]["results"]

    def run_status(self, run_id: str) -> str:
        """Return a run's status."""
        return self.ask(_RUN, id=run_id)["runOrError"]["status"]

    def worker(self, run_id: str) -> int:
        """Return the id of the process that executes a run, as its events tell."""
        run = self.ask(_EVENTS, id=run_id)["runOrError"]
        messages = [
            event.get("message", "") for event in run["eventConnection"]["events"]
        ]
        (process_id,) = re.findall(
            r"Started process for run \(pid: (\d+)\)", str(messages)
        )
        return int(process_id)

    def failures(self, run_id: str) -> list[Any]:
        """Return the failure events of a run: empty where all went well."""
        run = self.ask(_FAILURES, id=run_id)["runOrError"]
        return [event for event in run["eventConnection"]["events"] if event]

    def launch_run(self, config: dict[str, Any], asset: list[str]) -> str:
        """Launch the request job with a config; returns the run's id."""
        selector = {
            "pipelineName": "request_city_days_job",
            "assetSelection": [{"path": asset}],
            **LOCATION,
        }
        data = self.ask(
            _LAUNCH_RUN, params={"selector": selector, "runConfigData": config}
        )["launchPipelineExecution"]
        assert data["__typename"] == "LaunchRunSuccess", data
        return data["run"]["runId"]

    def reexecute(self, run_id: str, strategy: str) -> str:
        """Re-execute a run as its page's button does; returns the new run's id."""
        data = self.ask(
            _REEXECUTE, params={"parentRunId": run_id, "strategy": strategy}
        )["launchRunReexecution"]
        assert data["__typename"] == "LaunchRunSuccess", data
        return data["run"]["runId"]

    def asset(self, key: list[str]) -> Any:
        """Return an asset's materializations and partition counts."""
        return self.ask(_PARTITIONS, key={"path": key})["assetNodeOrError"]

    def checks(self, key: list[str]) -> dict[str, Any]:
        """Return an asset's checks by name, as the tab of checks asks for them."""
        node = self.ask(_CHECKS, key={"path": key})["assetNodeOrError"]
        return {check["name"]: check for check in node["assetChecksOrError"]["checks"]}


def read_check_partitions(check: Any) -> dict[str, set[tuple[str, str, str]]]:
    """Return the bar of a check: status -> (city, first date, last date) that have it."""
    found: dict[str, set[tuple[str, str, str]]] = {}
    for span in check["partitionStatuses"]["ranges"]:
        dates = (span["primaryDimStartKey"], span["primaryDimEndKey"])
        for status, cities in span["secondaryDim"].items():
            for city in cities:
                found.setdefault(status, set()).add((city, *dates))
    return found
