"""`mobility request` against every fault of the vendor and of S3, over real HTTP."""

import hashlib
import json
from datetime import date, timedelta
from typing import Any

import boto3
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from botocore.config import Config

from mobility_pipeline.sandbox.launch import Sandbox
from mobility_pipeline.settings import PROJECT
from mobility_pipeline_tests.conftest import CITIES, Workplace


class Bucket:
    """The lake's bucket, seen with nothing of ours."""

    def __init__(self, workplace: Workplace) -> None:
        environment = workplace.environment
        self._name = environment["S3_BUCKET"]
        self._s3 = boto3.client(
            "s3",
            endpoint_url=environment["AWS_ENDPOINT_URL"],
            aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
            region_name=environment["AWS_DEFAULT_REGION"],
            config=Config(s3={"addressing_style": "path"}),
        )

    def objects(self) -> dict[str, tuple[str, str]]:
        """Return key -> (ETag, last modified)."""
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._name)
        return {
            item["Key"]: (item["ETag"], item["LastModified"].isoformat())
            for page in pages
            for item in page.get("Contents", [])
        }

    def read(self, key: str) -> bytes:
        """Return an object's bytes."""
        return self._s3.get_object(Bucket=self._name, Key=key)["Body"].read()

    def manifests(self) -> dict[tuple[str, str], dict[str, Any]]:
        """Return (city, date) -> manifest, each checked against its objects."""
        found = {}
        for key in self.objects():
            if key.endswith("/_manifest.json"):
                city, day = key.removeprefix("data/").rsplit("/", 2)[:2]
                manifest = json.loads(self.read(key))
                self._check(key.removesuffix("_manifest.json"), manifest)
                found[city, day.removeprefix("date=")] = manifest
        return found

    def _check(self, prefix: str, manifest: dict[str, Any]) -> None:
        there = {k.removeprefix(prefix) for k in self.objects() if k.startswith(prefix)}
        assert there == {file["name"] for file in manifest["files"]} | {
            "_manifest.json"
        }
        for file in manifest["files"]:
            data = self.read(prefix + file["name"])
            sha256 = hashlib.sha256(data).hexdigest()
            assert (sha256, len(data)) == (file["sha256"], file["bytes"])
            assert file["name"].split("-")[2][:8] == sha256[:8]
            rows = pq.read_metadata(pa.BufferReader(data)).num_rows
            assert rows == file["rows"]


@pytest.fixture
def bucket(workplace: Workplace) -> Bucket:
    """The lake's bucket."""
    return Bucket(workplace)


def _reasons(answer: Any) -> dict[str, int]:
    reasons: dict[str, int] = {}
    for missing in answer.document["missing"]:
        reasons[missing["reason"]] = reasons.get(missing["reason"], 0) + 1
    return reasons


def test_cities_and_days_land_as_one_vendor_job(
    sandbox: Sandbox, workplace: Workplace, bucket: Bucket, newest: date
) -> None:
    """2 cities × 3 days: one job, six manifests that agree with their objects."""
    answer = workplace.request(newest - timedelta(days=2), newest)
    assert answer.code == 0, answer.stderr
    (job,) = answer.document["jobs"]
    assert job | {"job_id": ""} == {
        "job_id": "",
        "feed": "pings_full",
        "cities": 2,
        "from": (newest - timedelta(days=2)).isoformat(),
        "to": newest.isoformat(),
        "state": "SUCCESS",
    }
    assert (answer.document["landed"], answer.document["skipped"]) == (6, 0)
    assert answer.document["missing"] == []
    manifests = bucket.manifests()
    assert len(manifests) == 6
    assert {manifest["source"]["job_id"] for manifest in manifests.values()} == {
        job["job_id"]
    }
    assert len(sandbox.jobs()) == 1


def test_same_request_again_spends_nothing_and_changes_no_object(
    sandbox: Sandbox, workplace: Workplace, bucket: Bucket, newest: date
) -> None:
    """No vendor job, and every ETag and modification time as before."""
    workplace.request(newest, newest)
    before = bucket.objects()
    answer = workplace.request(newest, newest)
    assert (answer.code, answer.document["jobs"]) == (0, [])
    assert (answer.document["landed"], answer.document["skipped"]) == (0, 2)
    assert bucket.objects() == before
    assert len(sandbox.jobs()) == 1


def test_refresh_of_unchanged_days_changes_no_part(
    sandbox: Sandbox, workplace: Workplace, bucket: Bucket, newest: date
) -> None:
    """Files of other names with the same rows give the same parts and a newer job."""
    workplace.request(newest, newest)
    before = bucket.objects()
    answer = workplace.request(newest, newest, "--refresh")
    assert answer.code == 0, answer.stderr
    after = bucket.objects()
    parts = {key for key in before if key.endswith(".parquet")}
    assert {key: after[key] for key in parts} == {key: before[key] for key in parts}
    jobs = {m["source"]["job_id"] for m in bucket.manifests().values()}
    assert jobs == {answer.document["jobs"][0]["job_id"]}
    assert len(sandbox.jobs()) == 2


def test_refresh_of_a_restated_day_replaces_it(
    sandbox: Sandbox, workplace: Workplace, bucket: Bucket, newest: date
) -> None:
    """A changed day has other parts afterwards, and only those."""
    workplace.request(newest, newest)
    before = bucket.objects()
    sandbox.set_vendor_faults(restate_dates=[newest.isoformat()])
    assert workplace.request(newest, newest, "--refresh").code == 0
    after = {key for key in bucket.objects() if key.endswith(".parquet")}
    assert after.isdisjoint(before)
    assert len(bucket.manifests()) == 2


def test_wrong_key_is_one_clear_permanent_error(
    sandbox: Sandbox, workplace: Workplace, newest: date
) -> None:
    """The key is refused once, without a retry, and shows nowhere."""
    key = "synthetic-but-wrong-key"
    answer = workplace.request(newest, newest, VERASET_API_KEY=key)
    assert answer.code == 2
    assert answer.document["error"]["type"] == "VendorAuthenticationError"
    assert "VERASET_API_KEY" in answer.document["error"]["message"]
    assert key not in answer.stdout + answer.stderr
    logs = [path for path in workplace.home.rglob("*") if path.is_file()]
    assert logs
    assert not [path for path in logs if key.encode() in path.read_bytes()]
    assert sandbox.jobs() == []


@pytest.mark.parametrize(
    "faults",
    [
        {"submit_errors": [429, 500, "non_json_before"]},
        {"submit_errors": [{"status": 429, "retry_after": 0.1}]},
        {"submit_errors": ["error_after"]},
        {"submit_errors": ["non_json_after"]},
        {"poll_errors": [429, 500, "non_json", 503, 502]},
        {"jobs_status_words": ["QUEUED", "SUBMITTED"]},
    ],
    ids=str,
)
def test_passing_faults_of_the_vendor_are_survived_with_one_job(
    sandbox: Sandbox, workplace: Workplace, newest: date, faults: dict[str, Any]
) -> None:
    """429, 5xx, garbage and unknown words cost neither data nor a second job."""
    sandbox.set_vendor_faults(**faults)
    answer = workplace.request(newest, newest)
    assert (answer.code, answer.document["landed"]) == (0, 2), answer.stderr
    assert len(sandbox.jobs()) == 1


def test_failed_job_is_recorded_and_others_go_on(
    sandbox: Sandbox, workplace: Workplace, newest: date
) -> None:
    """Of two jobs one fails: its days are `job_failed`, the other's land, exit 1."""
    sandbox.set_vendor_faults(fail_jobs=1)
    answer = workplace.request(newest - timedelta(days=1), newest, VERASET_MAX_DAYS="1")
    assert answer.code == 1
    assert sorted(job["state"] for job in answer.document["jobs"]) == [
        "FAILED",
        "SUCCESS",
    ]
    assert answer.document["landed"] == 2
    assert _reasons(answer) == {"job_failed": 2}
    again = workplace.request(newest - timedelta(days=1), newest, VERASET_MAX_DAYS="1")
    assert (again.code, again.document["landed"], again.document["skipped"]) == (
        0,
        2,
        2,
    )


@pytest.mark.parametrize("quota", ["ours", "vendor's", "vendor's in an envelope"])
def test_used_up_quota_defers_the_rest(
    sandbox: Sandbox, workplace: Workplace, newest: date, quota: str
) -> None:
    """What the quota allows lands and stays; the rest is deferred, exit 1."""
    variables = {"VERASET_MAX_DAYS": "1"}
    if quota == "ours":
        variables["VERASET_MONTHLY_JOBS"] = "1"
    else:
        status = 403 if quota == "vendor's" else 200
        sandbox.set_vendor_faults(quota=1, quota_status=status)
    answer = workplace.request(newest - timedelta(days=1), newest, **variables)
    assert (answer.code, answer.document["landed"]) == (1, 2)
    assert _reasons(answer) == {"deferred_quota": 2}
    assert len(sandbox.jobs()) == 1


@pytest.mark.parametrize("fault", ["undelivered_dates", "marker_only_dates"])
def test_day_not_delivered_stays_missing(
    sandbox: Sandbox, workplace: Workplace, bucket: Bucket, newest: date, fault: str
) -> None:
    """`not_delivered`, exit 1, no manifest; an explicit request asks again at once."""
    missing = newest - timedelta(days=1)
    sandbox.set_vendor_faults(**{fault: [missing.isoformat()]})
    answer = workplace.request(missing, newest)
    assert (answer.code, answer.document["landed"]) == (1, 2)
    assert _reasons(answer) == {"not_delivered": 2}
    assert {day for _, day in bucket.manifests()} == {newest.isoformat()}
    gaps = workplace.run(
        "gaps", "--from", str(missing), "--to", str(newest), "--json"
    ).document
    assert [(g["days"], g["reason"]) for g in gaps["gaps"]] == [
        (1, "not_delivered")
    ] * 2
    sandbox.set_vendor_faults(**{fault: []})
    again = workplace.request(missing, newest)
    assert (again.code, again.document["landed"], again.document["skipped"]) == (
        0,
        2,
        2,
    )
    assert len(sandbox.jobs()) == 2


@pytest.mark.parametrize(
    "fault", ["corrupt_dates", "truncated_dates", "unknown_poi_dates"]
)
def test_untrustworthy_date_is_rejected_and_others_land(
    sandbox: Sandbox, workplace: Workplace, bucket: Bucket, newest: date, fault: str
) -> None:
    """Nothing of that date is published, its reason is recorded, the other date lands."""
    bad = newest - timedelta(days=1)
    sandbox.set_vendor_faults(**{fault: [bad.isoformat()]})
    answer = workplace.request(bad, newest)
    assert (answer.code, answer.document["landed"]) == (1, 2)
    assert _reasons(answer) == {"rejected": 2}
    assert {day for _, day in bucket.manifests()} == {newest.isoformat()}


def test_empty_day_is_known_and_not_missing(
    sandbox: Sandbox, workplace: Workplace, bucket: Bucket, newest: date
) -> None:
    """A date that holds nothing for a city has a manifest that says so."""
    sandbox.set_vendor_faults(empty=[["vancouver", newest.isoformat()]])
    answer = workplace.request(newest, newest)
    assert answer.code == 0
    manifest = bucket.manifests()[CITIES[0], newest.isoformat()]
    assert (manifest["state"], manifest["rows"], manifest["files"]) == ("empty", 0, [])


def test_session_that_expires_during_the_copy_is_renewed(
    sandbox: Sandbox, workplace: Workplace, newest: date
) -> None:
    """Tokens good for a few requests only do not stop a landing."""
    sandbox.set_s3_faults(session_ttl_requests=5)
    answer = workplace.request(newest - timedelta(days=1), newest)
    assert (answer.code, answer.document["landed"]) == (0, 4), answer.stderr


def test_throttled_store_is_survived(
    sandbox: Sandbox, workplace: Workplace, newest: date
) -> None:
    """SlowDown on every fourth request costs time only."""
    sandbox.set_s3_faults(slow_down_every=4)
    assert workplace.request(newest, newest).document["landed"] == 2


def test_store_that_fails_half_way_leaves_whole_days_and_the_rerun_completes(
    sandbox: Sandbox, workplace: Workplace, bucket: Bucket, newest: date
) -> None:
    """What is there has its manifest; the next request needs no new vendor job."""
    sandbox.set_s3_faults(fail_puts_matching="vancouver")
    answer = workplace.request(newest, newest, AWS_MAX_ATTEMPTS="1")
    assert answer.code == 1
    assert _reasons(answer)["requested"] >= 1
    assert (CITIES[0], newest.isoformat()) not in bucket.manifests()
    sandbox.set_s3_faults(fail_puts_matching=None)
    again = workplace.request(newest, newest)
    assert again.code == 0, again.stderr
    assert len(bucket.manifests()) == 2
    assert len(sandbox.jobs()) == 1


def test_job_that_does_not_finish_in_time_stays_open_for_the_next_request(
    sandbox: Sandbox, workplace: Workplace, newest: date
) -> None:
    """The poll time-out ends the wait, not the job."""
    sandbox.set_vendor_faults(hold_seconds=4)
    answer = workplace.request(newest, newest, VERASET_POLL_TIMEOUT_MINUTES="0.005")
    assert answer.code == 1
    assert _reasons(answer) == {"requested": 2}
    again = workplace.request(newest, newest)
    assert (again.code, again.document["landed"]) == (0, 2)
    assert len(sandbox.jobs()) == 1


def test_refused_role_is_one_clear_error(
    sandbox: Sandbox, workplace: Workplace, newest: date
) -> None:
    """AccessDenied for the role names the role's variable, before anything is bought."""
    sandbox.set_s3_faults(deny_assume_role=True)
    answer = workplace.request(newest, newest)
    assert answer.code == 2
    assert "VERASET_ROLE_ARN" in answer.document["error"]["message"]
    assert "Traceback" not in answer.stderr
    assert sandbox.jobs() == []


def test_bucket_that_does_not_exist_is_found_before_anything_is_bought(
    sandbox: Sandbox, workplace: Workplace, newest: date
) -> None:
    """A typing error in S3_BUCKET costs no vendor job."""
    answer = workplace.request(newest, newest, S3_BUCKET="no-such-bucket")
    assert answer.code == 2
    assert "no-such-bucket" in answer.document["error"]["message"]
    assert sandbox.jobs() == []


def test_refresh_that_fails_keeps_the_older_day_and_says_so(
    sandbox: Sandbox, workplace: Workplace, bucket: Bucket, newest: date
) -> None:
    """The day stays in the lake and in the coverage; the refresh itself is missing."""
    workplace.request(newest, newest)
    before = bucket.objects()
    sandbox.set_vendor_faults(undelivered_dates=[newest.isoformat()])
    answer = workplace.request(newest, newest, "--refresh")
    assert answer.code == 1
    assert (answer.document["landed"], _reasons(answer)) == (0, {"not_delivered": 2})
    assert bucket.objects() == before
    span = ("--from", newest.isoformat(), "--to", newest.isoformat())
    assert workplace.run("gaps", *span, "--json").document == {
        "gaps": [],
        "complete": sorted(CITIES),
    }


def test_lake_that_lost_its_days_is_not_reported_as_success(
    sandbox: Sandbox, workplace: Workplace, newest: date
) -> None:
    """Where the ledger is wrong, the run fails, and so does the request."""
    workplace.request(newest, newest)
    sandbox.empty_lake()
    elsewhere = str(workplace.home / "other-dagster")
    answer = workplace.request(newest, newest, DAGSTER_HOME=elsewhere)
    assert answer.code == 1
    assert "gone from the lake" in answer.stderr


def test_everything_on_postgresql(
    sandbox: Sandbox, workplace: Workplace, newest: date, postgres_url: str
) -> None:
    """With deploy/postgres/dagster.yaml and the ledger there too, nothing is local."""
    home = workplace.home / "production"
    home.mkdir()
    config = PROJECT / "deploy" / "postgres" / "dagster.yaml"
    (home / "dagster.yaml").write_bytes(config.read_bytes())
    variables = {
        "DAGSTER_HOME": str(home),
        "DAGSTER_POSTGRES_URL": postgres_url,
        "MOBILITY_LEDGER_URL": postgres_url,
    }
    answer = workplace.request(newest, newest, **variables)
    assert (answer.code, answer.document["landed"]) == (0, 2), answer.stderr
    again = workplace.request(newest, newest, **variables)
    assert (again.code, again.document["skipped"]) == (0, 2)
    assert len(sandbox.jobs()) == 1
    assert not [*home.rglob("*.db"), *workplace.home.rglob("ledger.sqlite")]


def test_without_a_role_the_ambient_identity_reads_and_writes(
    workplace: Workplace, newest: date
) -> None:
    """VERASET_ROLE_ARN is optional."""
    answer = workplace.request(newest, newest, VERASET_ROLE_ARN="")
    assert (answer.code, answer.document["landed"]) == (0, 2), answer.stderr


def test_job_that_the_vendor_forgot_is_given_up_and_bought_anew(
    sandbox: Sandbox, workplace: Workplace, newest: date
) -> None:
    """404 for a job closes it; the days are not blocked for ever."""
    sandbox.set_vendor_faults(never_finish=True)
    workplace.request(newest, newest, VERASET_POLL_TIMEOUT_MINUTES="0.001")
    sandbox.reset()
    given_up = workplace.request(newest, newest)
    assert (given_up.code, _reasons(given_up)) == (1, {"job_failed": 2})
    again = workplace.request(newest, newest)
    assert (again.code, again.document["landed"]) == (0, 2)
