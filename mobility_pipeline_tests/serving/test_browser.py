"""The console as a person uses it: Chromium, a real server, and the sandbox behind it."""

import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import date, timedelta
from pathlib import Path

import pytest
import requests
from playwright.sync_api import Browser, Error, Page, expect
from shapely.geometry import box

from mobility_pipeline.cities.geojson import (
    city_to_feature,
    dump_geojson,
    parse_city,
)
from mobility_pipeline.servers import start_console
from mobility_pipeline.serving.console.sessions import COOKIE
from mobility_pipeline_tests.cities.examples import KEY, make_city
from mobility_pipeline_tests.cities.uploads.files import make_shapefile, make_zip
from mobility_pipeline_tests.conftest import Workplace
from mobility_pipeline_tests.serving.conftest import (
    RunningConsole,
    console_variables,
)

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("console")]

NEW = "niger/agadez/bilma"
_PATIENT_MS = 30_000
_CLICK_SAVE = """
[...document.querySelectorAll("button")].find((b) => b.innerText === "Save")?.click()
"""


@pytest.fixture
def busy_console(workplace: Workplace, password_hash: str) -> Iterator[RunningConsole]:
    """A console whose vendor delivers."""
    environment = workplace.environment | console_variables(password_hash)
    with start_console(environment, workplace.home / "console.log") as server:
        server.wait_until_up()
        yield RunningConsole(server.url, workplace.cities, password_hash)


def _look_at(page: Page, latitude: float, longitude: float, zoom: int) -> None:
    """Move the map there at once; a person would zoom."""
    page.wait_for_function("document.querySelector('.leaflet-draw') !== null")
    page.evaluate(
        """([lat, lon, zoom]) => {
          const id = Number(document.querySelector(".map").id.slice(1));
          getElement(id).map.setView([lat, lon], zoom, {animate: false});
        }""",
        [latitude, longitude, zoom],
    )


def _draw(page: Page, tool: str) -> None:
    """Draw a square of 200 pixels around the map's middle, or a circle from there on."""
    page.click(f".leaflet-draw-draw-{tool}")
    frame = page.locator(".map").bounding_box()
    assert frame is not None
    x, y = frame["x"] + frame["width"] / 2, frame["y"] + frame["height"] / 2
    page.mouse.move(x - 100, y - 100)
    page.mouse.down()
    page.mouse.move(x, y)
    page.mouse.move(x + 100, y + 100)
    page.mouse.up()


def _choose_country(page: Page, name: str) -> None:
    field = page.get_by_label("Country", exact=True)
    field.fill(name)
    page.get_by_role("option", name=name).first.click()


def _zip_in_utm(folder: Path) -> bytes:
    """20 × 20 km at 20° N, 10° E, in UTM zone 32N: what an administration sends."""
    square = box(594_000, 2_202_000, 614_000, 2_222_000)
    return make_zip(
        make_shapefile(folder, [square], "EPSG:32632", "Bilma_Admin_Boundary")
    )


def test_city_is_drawn_corrected_by_upload_loaded_and_retired(
    busy_console: RunningConsole, page: Page, tmp_path: Path, newest: date
) -> None:
    """The whole way of one city, by one person."""
    console = busy_console
    path = console.cities / f"{NEW}.geojson"
    console.visit(page)

    page.get_by_role("button", name="Add a city").click()
    _choose_country(page, "Niger (NE)")
    page.get_by_label("City", exact=True).fill("Bilma")
    page.get_by_label("State or province").fill("Agadez")
    _look_at(page, 20, 10, 9)
    _draw(page, "rectangle")
    expect(page.get_by_text(f"Key: {NEW}")).to_be_visible()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved.")).to_be_visible(timeout=_PATIENT_MS)
    drawn = parse_city(path.read_bytes(), NEW)
    assert (drawn.time_zone, drawn.source) == (
        "Africa/Niamey",
        "drawn by admin in the console",
    )

    assert page.url == f"{console.url}/city/{NEW}"

    page.get_by_text("Upload a file").click()
    page.locator("input[type=file]").set_input_files(
        {
            "name": "Bilma.zip",
            "mimeType": "application/zip",
            "buffer": _zip_in_utm(tmp_path),
        }
    )
    use = page.get_by_role("button", name="Use this boundary")
    use.wait_for(timeout=_PATIENT_MS)
    expect(page.get_by_text("Bilma.zip", exact=True)).to_be_visible()
    page.locator("input[type=file]").set_input_files(
        {"name": "no.geojson", "mimeType": "text/plain", "buffer": b"no"}
    )
    expect(page.get_by_text("is not JSON")).to_be_visible()
    expect(use).to_be_hidden()
    page.locator("input[type=file]").set_input_files(
        {
            "name": "Bilma.zip",
            "mimeType": "application/zip",
            "buffer": _zip_in_utm(tmp_path),
        }
    )
    use.click(timeout=_PATIENT_MS)
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text(f"area id {drawn.area_id}")).to_be_hidden(
        timeout=_PATIENT_MS
    )
    expect(page.get_by_text("Saved.")).to_be_visible(timeout=_PATIENT_MS)
    sent = parse_city(path.read_bytes(), NEW)
    assert sent.source.startswith(
        "uploaded Bilma.zip, layer Bilma_Admin_Boundary, EPSG"
    )
    assert sent.radius_m is None
    assert drawn.geometry.contains(sent.geometry)

    page.get_by_role("link", name="Cities").click()
    page.get_by_label("Search").fill("bilma")
    expect(page.locator(".ag-center-cols-container .ag-row")).to_have_count(1)
    page.locator(".ag-row .ag-checkbox-input").first.click()
    expect(page.get_by_text("1 selected")).to_be_visible()
    page.get_by_role("button", name="Request data for them").click()
    page.get_by_label("From").fill((newest - timedelta(days=2)).isoformat())
    page.get_by_label("To", exact=True).fill(newest.isoformat())
    page.get_by_role("button", name="Preview").click()
    expect(page.get_by_text("1 vendor job for 3 city-days")).to_be_visible()
    page.get_by_role("button", name="Start", exact=True).click()
    landed = page.get_by_text("3 of 3 city-days are there · 3 city-days landed")
    expect(landed).to_be_visible(timeout=2 * _PATIENT_MS)
    run = page.get_by_role("link", name="Run in Dagster").get_attribute("href") or ""
    assert re.fullmatch(r"http://127\.0\.0\.1:3000/runs/[0-9a-f-]{36}", run)

    page.goto(f"{console.url}/city/{NEW}")
    _draw(page, "circle")
    left = f"3 stored days of pings_full, {newest - timedelta(days=2)} to {newest}"
    expect(page.get_by_text(f"{left}, belong to {sent.area_id}")).to_be_visible()
    page.get_by_role("button", name="Save").click()
    page.get_by_role("button", name="Cancel").click()
    assert parse_city(path.read_bytes(), NEW) == sent

    page.get_by_role("button", name="Retire").click()
    page.get_by_role("button", name="Yes").click()
    expect(page.get_by_role("button", name="Ask for it again")).to_be_visible()
    assert parse_city(path.read_bytes(), NEW).status == "retired"


def test_second_of_two_people_gets_a_conflict_and_loses_nothing(
    console: RunningConsole, page: Page, browser: Browser
) -> None:
    """Both open the city; the first saves; the second is told, and reloads."""
    path = console.cities / f"{KEY}.geojson"
    console.visit(page, f"/city/{KEY}")
    other = browser.new_context().new_page()
    console.visit(other, f"/city/{KEY}")
    for tab, name in ((page, "Vancouver, first"), (other, "Vancouver, second")):
        tab.get_by_label("City", exact=True).fill(name)
        tab.get_by_text(f"Key: {KEY}").wait_for()

    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved.")).to_be_visible(timeout=_PATIENT_MS)
    other.get_by_role("button", name="Save").click()
    conflict = other.get_by_text("Somebody else saved this city meanwhile")
    expect(conflict).to_be_visible(timeout=_PATIENT_MS)
    assert parse_city(path.read_bytes(), KEY).city == "Vancouver, first"
    other.get_by_role("button", name="Reload").click()
    expect(other.get_by_label("City", exact=True)).to_have_value("Vancouver, first")
    other.context.close()


def test_script_in_a_name_is_text_on_every_page(
    console: RunningConsole, page: Page
) -> None:
    """A name may hold anything people write; it runs nowhere."""
    hostile = "<img src=x onerror=window.hacked=1><script>window.hacked=1</script>"
    key = "canada/british_columbia/burnaby"
    city = make_city(key, city=hostile, state_province=hostile, source=hostile)
    (console.cities / f"{key}.geojson").write_text(dump_geojson(city_to_feature(city)))
    console.visit(page)
    expect(page.get_by_text(hostile).first).to_be_visible()
    for path in (f"/city/{key}", "/request", "/coverage"):
        page.goto(console.url + path)
        page.get_by_role("heading", level=1).wait_for()
        page.wait_for_function("window.socket && window.socket.connected")
        assert page.evaluate("window.hacked") is None, path


def test_page_of_a_session_that_was_ended_elsewhere_does_nothing_and_says_why(
    console: RunningConsole, page: Page
) -> None:
    """Signed out in another tab: a click leads to the form, and nothing is saved."""
    path = console.cities / f"{KEY}.geojson"
    before = path.read_bytes()
    console.visit(page, f"/city/{KEY}")
    page.get_by_label("City", exact=True).fill("Lost")
    page.get_by_text(f"Key: {KEY}").wait_for()
    [cookie] = page.context.cookies()
    requests.post(
        f"{console.url}/logout",
        cookies={COOKIE: cookie.get("value", "")},
        headers={"Origin": console.url},
        timeout=20,
    )
    with suppress(Error):  # the page may have noticed by itself, and be on its way
        page.evaluate(_CLICK_SAVE)
    expect(page.get_by_text("Your session has ended")).to_be_visible(
        timeout=_PATIENT_MS
    )
    assert path.read_bytes() == before
