"""The heat map as a picture."""

import pytest

from mobility_pipeline_tests.serving.api.world import SHANGHAI, Client

PICTURE = "/v1/allRegionsHeatMap.png"


def test_picture(exact: Client) -> None:
    """A PNG with its provenance, and the same bytes again."""
    asked = {"city": SHANGHAI, "produce_hour": "2025061110"}
    answer = exact.get(PICTURE, **asked, headers={"Accept": "image/png"})
    assert answer.headers["Content-Type"] == "image/png"
    assert answer.content.startswith(b"\x89PNG\r\n")
    assert '"k":1' in answer.headers["X-Provenance"]
    tag = {"If-None-Match": answer.headers["ETag"]}
    assert exact.get(PICTURE, **asked, headers=tag).status_code == 304


@pytest.mark.parametrize(
    ("hour", "accept", "status"),
    [("2025061103", "*/*", 404), ("2025061110", "application/json", 406)],
)
def test_no_picture(exact: Client, hour: str, accept: str, status: int) -> None:
    """Of an hour without data there is none, and it is nothing but a PNG."""
    asked = {"city": SHANGHAI, "produce_hour": hour}
    answer = exact.get(PICTURE, **asked, headers={"Accept": accept})
    assert (answer.status_code, answer.json()["code"]) == (status, status)
