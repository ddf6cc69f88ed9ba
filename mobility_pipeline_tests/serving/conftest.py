"""The console as people reach it: a process of its own, and a browser."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
from playwright.sync_api import Browser, Page, sync_playwright

from mobility_pipeline.cities.geojson import city_to_feature, dump_geojson
from mobility_pipeline.servers import start_console
from mobility_pipeline.serving.console.passwords import hash_password
from mobility_pipeline.settings import child_environment
from mobility_pipeline_tests.cities.examples import KEY, make_city

PASSWORD = "correct horse battery"
SECRET = "a secret of these tests"
_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
_QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@dataclass(frozen=True)
class RunningConsole:
    """A console, and where its cities are."""

    url: str
    cities: Path
    password_hash: str

    def sign_in(
        self, user: str = "admin", password: str = PASSWORD, next: str = "/"
    ) -> requests.Response:
        """Send the form, and follow nothing."""
        form = {"user": user, "password": password, "next": next}
        return requests.post(
            f"{self.url}/login",
            data=form,
            headers={"Origin": self.url},
            allow_redirects=False,
            timeout=20,
        )

    def visit(self, page: Page, path: str = "/") -> None:
        """Open a page in a browser, signing in first."""
        page.goto(f"{self.url}{path}")
        page.fill("[name=user]", "admin")
        page.fill("[name=password]", PASSWORD)
        page.click("button")


def console_variables(password_hash: str) -> dict[str, str]:
    """The settings of a console in tests."""
    return {"ADMIN_PASSWORD_HASH": password_hash, "CONSOLE_SECRET": SECRET}


@pytest.fixture(scope="session")
def password_hash() -> str:
    """argon2 of PASSWORD."""
    return hash_password(PASSWORD)


@pytest.fixture(scope="session")
def console(
    tmp_path_factory: pytest.TempPathFactory, password_hash: str
) -> Iterator[RunningConsole]:
    """A console with one city, and nobody to ask for data."""
    home = tmp_path_factory.mktemp("console")
    cities = home / "cities"
    path = cities / f"{KEY}.geojson"
    path.parent.mkdir(parents=True)
    path.write_text(dump_geojson(city_to_feature(make_city())))
    environment = child_environment(
        MOBILITY_HOME=str(home / "home"),
        MOBILITY_CITIES=str(cities),
        DAGSTER_HOME=str(home / "dagster"),
        **console_variables(password_hash),
    )
    with start_console(environment, home / "console.log") as server:
        server.wait_until_up()
        yield RunningConsole(server.url, cities, password_hash)


# Not for the session: while it is open, no other test of its process can run a loop.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The system's Chromium."""
    path = next(filter(None, map(shutil.which, _BROWSERS)), None)
    if path is None:
        pytest.skip("no browser: install Debian's chromium")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=[*_QUIET])
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A tab of a person's own; a script's error in it is a failure."""
    context = browser.new_context(
        viewport={"width": 1280, "height": 900}, reduced_motion="reduce"
    )
    tab = context.new_page()
    errors: list[str] = []
    tab.on("pageerror", lambda error: errors.append(str(error)))
    yield tab
    context.close()
    assert errors == []
