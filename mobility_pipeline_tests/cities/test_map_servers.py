import socket

import pytest

from mobility_pipeline.cities.lookup import fetch_boundary, find_boundaries
from mobility_pipeline.cities.map_servers import LONGEST_WAIT_S
from mobility_pipeline.cities.nominatim import find_points
from mobility_pipeline.errors import (
    MapServerError,
    MapServerRefusedError,
    MobilityError,
)
from mobility_pipeline_tests.cities.map_world import MapWorld

TIMED_OUT = 'runtime error: Query timed out in "query" at line 1 after 61 seconds.'
OUT_OF_MEMORY = "runtime error: Query run out of memory using about 513 MB of RAM."
OVERPASS = "/api/interpreter"


def esenler(maps: MapWorld) -> list[str]:
    """Look up Esenler."""
    found = find_boundaries(maps.servers, "Esenler", "TR")
    return [candidate.osm_id for candidate in found]


@pytest.mark.parametrize(
    "fault",
    [429, 504, 500, 502, 503, 408, [429, 3], TIMED_OUT, "html", "", "null", "[]", "{"],
)
def test_passing_failure_is_asked_again(maps: MapWorld, fault: object) -> None:
    """Busy, timed out, or no data: the next attempt has the answer, never an empty one."""
    maps.sandbox.set_osm_faults(overpass=[fault])
    assert len(esenler(maps)) == 2
    assert len(maps.asked(OVERPASS)) == 2
    assert maps.clock.slept


@pytest.mark.parametrize(
    "fault", [429, 503, "html", '{"error": "x"}', '[{"lat": "x"}]']
)
def test_nominatim_is_asked_again(maps: MapWorld, fault: object) -> None:
    """The same for Nominatim."""
    maps.sandbox.set_osm_faults(nominatim=[fault])
    assert len(esenler(maps)) == 2
    assert len(maps.asked("/lookup")) == 2


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (
            429,
            "busy: try again in a minute .*HTTP 429: runtime error: .*rate_limited. Please",
        ),
        (504, "HTTP 504: runtime error: .*probably too busy"),
        (TIMED_OUT, "Overpass did not finish: runtime error: Query timed out"),
        ("html", "sent no data: come back later"),
        ("<title>Proxy &amp; login</title>", "sent no data: Proxy & login"),
        ("[]", "sent something else than it should"),
        ('{"elements": [{"type": "node"}]}', "sent something else than it should"),
    ],
)
def test_lasting_failure_is_an_error(maps: MapWorld, fault: object, words: str) -> None:
    """After four attempts it is said what the server says; that is not "nothing there"."""
    maps.sandbox.set_osm_faults(overpass=[fault] * 9)
    with pytest.raises(MapServerError, match=words):
        esenler(maps)
    assert len(maps.asked(OVERPASS)) == 4


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (400, "HTTP 400"),
        (403, "it may block us: set MOBILITY_CONTACT"),
        (404, "check OVERPASS_API_URL"),
        (OUT_OF_MEMORY, "out of memory .* ask for less"),
        ("huge", "more than 50 MB"),
    ],
)
def test_refusal_is_not_repeated(maps: MapWorld, fault: object, words: str) -> None:
    """Where asking again cannot help, it is asked once."""
    maps.sandbox.set_osm_faults(overpass=[fault] * 9)
    with pytest.raises(MapServerRefusedError, match=words):
        esenler(maps)
    assert len(maps.asked(OVERPASS)) == 1


def test_retry_after_is_kept(maps: MapWorld) -> None:
    """Not a second earlier than the server asked for."""
    maps.sandbox.set_osm_faults(overpass=[[429, 17]])
    esenler(maps)
    assert maps.clock.slept[0] == 17


def test_status_page_says_how_long_to_wait(maps: MapWorld) -> None:
    """Without Retry-After, `/api/status` tells when a slot is free."""
    maps.sandbox.set_osm_faults(overpass=[429], slot_seconds=35)
    esenler(maps)
    assert maps.clock.slept[0] == 35


@pytest.mark.parametrize("faults", [{"overpass": [[429, 600]]}, {"slot_seconds": 600}])
def test_long_wait_is_left_to_the_user(
    maps: MapWorld, faults: dict[str, object]
) -> None:
    """Nobody sits ten minutes before a terminal: it says when to come again."""
    maps.sandbox.set_osm_faults(**{"overpass": [429], **faults})
    with pytest.raises(MapServerError, match="come again in 600 s"):
        esenler(maps)
    assert sum(maps.clock.slept) < LONGEST_WAIT_S


def test_slow_server_is_a_time_out(maps: MapWorld) -> None:
    """A server that says nothing is given up."""
    maps.sandbox.set_osm_faults(overpass=["slow"] * 2, hang_seconds=1)
    servers = maps.but(timeout_s=(1, 0.2), attempts=2)
    with pytest.raises(MapServerError, match="it took too long"):
        find_boundaries(servers, "Esenler", "TR")


@pytest.mark.parametrize(
    ("url", "error", "words"),
    [
        ("http://127.0.0.1:1/api/interpreter", MapServerError, "no connection"),
        ("http://[::1/api", MapServerRefusedError, "is no address that"),
        ("{sandbox}/elsewhere", MapServerRefusedError, "HTTP 404.*check OVERPASS"),
    ],
)
def test_wrong_address(
    maps: MapWorld, url: str, error: type[MobilityError], words: str
) -> None:
    """An address nobody answers at is named."""
    url = url.format(sandbox=maps.sandbox.osm_url)
    with pytest.raises(error, match=words):
        find_boundaries(maps.but(overpass_url=url), "Esenler", "TR")


def test_connection_that_breaks_off(maps: MapWorld) -> None:
    """A server that hangs up is asked again, then named."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.1)
        url = f"http://127.0.0.1:{server.getsockname()[1]}/search"
        servers = maps.but(nominatim_url=url, timeout_s=(1, 0.1), attempts=2)
        with pytest.raises(MapServerError, match="gave no answer"):
            find_points(servers, "Esenler", "TR")


def test_answers_are_kept_for_a_day(maps: MapWorld) -> None:
    """The same question is asked once, until the answer is too old."""
    first = esenler(maps)
    assert esenler(maps) == first
    assert len(maps.asked()) == 2
    maps.clock.sleep(86_401)
    assert esenler(maps) == first
    assert len(maps.asked()) == 4
    files = [*maps.servers.cache.folder.iterdir()]
    assert len(files) == 2  # the old ones are gone


def test_failure_is_not_kept(maps: MapWorld) -> None:
    """After an error the server is asked anew."""
    maps.sandbox.set_osm_faults(overpass=[OUT_OF_MEMORY])
    with pytest.raises(MapServerRefusedError):
        fetch_boundary(maps.servers, "relation/9500008", "CA")
    assert fetch_boundary(maps.servers, "relation/9500008", "CA").name == "Vancouver"


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b"\xff", b"null"])
def test_damaged_cache_is_no_answer(maps: MapWorld, damage: bytes) -> None:
    """A file that is not ours is asked for again."""
    esenler(maps)
    for file in maps.servers.cache.folder.iterdir():
        file.write_bytes(damage)
    assert len(esenler(maps)) == 2
    assert len(maps.asked()) == 4


def test_one_request_a_second(maps: MapWorld) -> None:
    """Two questions to Nominatim stand a second apart, also of two processes."""
    find_points(maps.servers, "Kitsilano", "CA")
    maps.clock.time_s += 0.25
    find_points(maps.but(interval_s=1.0), "Vancouver", "CA")
    assert maps.clock.slept == [0.75]


def test_we_say_who_we_are(maps: MapWorld) -> None:
    """Every request names the application and how to reach us."""
    esenler(maps)
    agents = {request["agent"] for request in maps.asked()}
    assert agents == {"mobility-pipeline/0.1 (maps@example.invalid)"}


def test_password_in_an_address_is_not_said(maps: MapWorld) -> None:
    """A server of one's own may want a password; messages do not hold it."""
    url = maps.servers.overpass_url.replace("//", "//me:hush@")
    maps.sandbox.set_osm_faults(overpass=[403])
    with pytest.raises(MapServerRefusedError) as refused:
        find_boundaries(maps.but(overpass_url=url), "Esenler", "TR")
    assert "hush" not in str(refused.value)
