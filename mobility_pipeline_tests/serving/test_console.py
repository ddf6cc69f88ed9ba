"""The console over HTTP: its own process, reached as a browser or a stranger reaches it."""

import socket
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from mobility_pipeline.serving.console.gate import MAX_BODY_BYTES
from mobility_pipeline.serving.console.sessions import COOKIE, Sessions
from mobility_pipeline_tests.cities.examples import KEY
from mobility_pipeline_tests.conftest import Workplace
from mobility_pipeline_tests.serving.conftest import SECRET, RunningConsole

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("console")]

_PAGES = (
    "/",
    "/city",
    f"/city/{KEY}",
    "/request",
    "/coverage",
    "/jobs",
    "/daily",
    "/countries.geojson",
)
_UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version": "13",
}


def _get(url: str, cookie: str = "", **headers: str) -> requests.Response:
    return requests.get(
        url,
        cookies={COOKIE: cookie} if cookie else {},
        headers=headers,
        allow_redirects=False,
        timeout=20,
    )


def test_who_signs_in_comes_to_the_page_that_was_asked_for(
    console: RunningConsole,
) -> None:
    """The cookie is for the server only; every page opens with it."""
    answer = console.sign_in(next="/jobs")
    assert (answer.status_code, answer.headers["location"]) == (303, "/jobs")
    header = answer.headers["set-cookie"]
    assert "HttpOnly" in header
    assert "SameSite=lax" in header
    cookie = answer.cookies[COOKIE]
    for path in _PAGES:
        page = _get(console.url + path, cookie)
        assert page.status_code == 200, path
        assert page.headers["x-frame-options"] == "DENY"


@pytest.mark.parametrize("path", _PAGES)
def test_page_without_signing_in_leads_to_the_form(
    console: RunningConsole, path: str
) -> None:
    """And back, once signed in."""
    answer = _get(console.url + path)
    assert answer.status_code == 302
    assert answer.headers["location"] == f"/login?next={path}"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/signed-in"),
        ("GET", "/_nicegui/3.18.0/components/x"),
        ("GET", "/_nicegui_ws/socket.io/?EIO=4&transport=polling"),
        ("POST", "/_nicegui_ws/socket.io/?EIO=4&transport=polling"),
        ("POST", "/_nicegui/client/1/upload/2"),
        ("POST", "/logout"),
        ("PUT", "/city"),
        ("DELETE", f"/city/{KEY}"),
    ],
)
def test_direct_call_without_signing_in_is_401(
    console: RunningConsole, method: str, path: str
) -> None:
    """Also where the call says that it comes from the console."""
    answer = requests.request(
        method, console.url + path, headers={"Origin": console.url}, timeout=20
    )
    assert (answer.status_code, answer.text) == (401, "sign in first")


def test_socket_without_signing_in_is_refused(console: RunningConsole) -> None:
    """Without a cookie; with one, but opened by another site; only then it opens."""
    url = f"{console.url}/_nicegui_ws/socket.io/?EIO=4&transport=websocket"
    cookie = console.sign_in().cookies[COOKIE]
    evil = "http://evil.example"
    assert _get(url, Origin=console.url, **_UPGRADE).status_code == 403
    assert _get(url, cookie, Origin=evil, **_UPGRADE).status_code == 403
    opened = requests.get(
        url,
        cookies={COOKIE: cookie},
        headers={"Origin": console.url, **_UPGRADE},
        timeout=20,
        stream=True,
    )
    assert opened.status_code == 101
    opened.close()


def test_guide_and_template_need_no_signing_in(console: RunningConsole) -> None:
    """City administrations have no password."""
    guide = _get(f"{console.url}/guide")
    assert guide.status_code == 200
    assert "Admin_Boundary" in guide.text.replace("<wbr>", "")
    template = _get(f"{console.url}/guide/template.zip")
    assert template.content.startswith(b"PK")
    for path in ("/guide", "/guide/template.zip"):
        assert requests.head(console.url + path, timeout=20).status_code == 200
    moved = _get(f"{console.url}/guide/")
    assert (moved.status_code, moved.headers["location"]) == (308, "/guide")


def test_page_that_is_not_there_leads_back(console: RunningConsole) -> None:
    """404 in the frame of every page, with who is signed in and the navigation."""
    cookie = console.sign_in().cookies[COOKIE]
    answer = _get(f"{console.url}/no/such/page", cookie)
    assert answer.status_code == 404
    for words in ("The console has no page at this address", "Request data", "admin"):
        assert words in answer.text


def test_long_key_in_an_address_is_shown_short(console: RunningConsole) -> None:
    """79 characters and an ellipsis."""
    cookie = console.sign_in().cookies[COOKIE]
    answer = _get(f"{console.url}/city/{'x' * 3_000}", cookie)
    assert "x" * 79 + "…" in answer.text.replace("\\u2026", "…")
    assert "mobility cities list" not in answer.text


def test_session_that_expired_says_so(console: RunningConsole) -> None:
    """13 hours later: to the form, with words; direct calls are 401."""
    past = Sessions(
        SECRET, console.password_hash, now_s=lambda: time.time() - 13 * 3600
    )
    cookie = past.open("admin")
    answer = _get(f"{console.url}/jobs", cookie)
    assert answer.headers["location"] == "/login?next=/jobs&expired=1"
    form = _get(console.url + answer.headers["location"])
    assert "Your session has ended" in form.text
    assert _get(f"{console.url}/signed-in", cookie).status_code == 401


def test_signing_out_ends_the_session(console: RunningConsole) -> None:
    """The old cookie opens nothing any more; a link can't sign anybody out."""
    cookie = console.sign_in().cookies[COOKIE]
    assert _get(f"{console.url}/logout", cookie).status_code in (404, 405)
    assert _get(f"{console.url}/signed-in", cookie).status_code == 204
    out = requests.post(
        f"{console.url}/logout",
        cookies={COOKIE: cookie},
        headers={"Origin": console.url},
        allow_redirects=False,
        timeout=20,
    )
    assert out.headers["location"] == "/login?out=1"
    assert _get(f"{console.url}/signed-in", cookie).status_code == 401


def test_fifth_wrong_password_locks_the_name(console: RunningConsole) -> None:
    """Says wrong four times, then locked; another name is not."""
    answers = [console.sign_in("mallory", "guess") for _ in range(6)]
    assert [answer.status_code for answer in answers] == [401] * 4 + [429] * 2
    assert "Wrong name or password" in answers[0].text
    assert "locked for 15 minutes" in answers[5].text
    assert console.sign_in().status_code == 303


def test_form_sent_by_another_site_is_refused(console: RunningConsole) -> None:
    """Signing somebody in as another is an attack, too."""
    answer = requests.post(
        f"{console.url}/login",
        data={"user": "admin"},
        headers={"Origin": "http://evil.example"},
        timeout=20,
    )
    assert answer.status_code == 403


@pytest.mark.parametrize(
    "target",
    ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:x", ""],
)
def test_signing_in_leads_nowhere_but_to_the_console(
    console: RunningConsole, target: str
) -> None:
    """An address that somebody was sent can't lead away from it."""
    assert console.sign_in(next=target).headers["location"] == "/"


def test_what_is_typed_into_the_form_is_shown_as_text(console: RunningConsole) -> None:
    """A script in the address is no script in the page."""
    hostile = '/"><script>alert(1)</script>'
    form = requests.get(f"{console.url}/login", {"next": hostile}, timeout=20)
    assert "<script" not in form.text
    assert "<script" not in console.sign_in("x", "y", hostile).text


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/city/no/such/city", "unknown city"),
        ("/city/<script>alert(1)</script>", "unknown city"),
        ("/city/../../etc/passwd", "unknown city"),
        ("/coverage?start=yesterday", "is not a day like 2025-06-30"),
        ("/coverage?start=2025-02-30", "is not a day like 2025-06-30"),
        ("/coverage?start=2025-06-02&end=2025-06-01", "reversed dates"),
        ("/coverage?start=0001-01-01&end=9999-12-31", "at most 1,100 days"),
        ("/coverage?feed=pings' OR 1=1 --", "pings_full"),
        ("/request?selection=forged", "not kept any more"),
    ],
)
def test_bad_address_is_answered_in_words(
    console: RunningConsole, path: str, words: str
) -> None:
    """No traceback, and nothing of the address as HTML."""
    cookie = console.sign_in().cookies[COOKIE]
    url = requests.Request("GET", console.url).prepare()
    url.url = console.url + path.replace(" ", "%20").replace("..", "%2e%2e")
    url.headers["Cookie"] = f"{COOKIE}={cookie}"
    answer = requests.Session().send(url, timeout=20)
    assert answer.status_code == 200
    assert words in answer.text
    assert "<script>alert" not in answer.text
    assert "Traceback" not in answer.text


def test_upload_over_50_mb_is_refused_before_it_is_sent(
    console: RunningConsole,
) -> None:
    """By its length alone."""
    cookie = console.sign_in().cookies[COOKIE]
    place = urlsplit(console.url)
    request = (
        f"POST /_nicegui/client/1/upload/2 HTTP/1.1\r\nHost: {place.netloc}\r\n"
        f"Origin: {console.url}\r\nCookie: {COOKIE}={cookie}\r\n"
        f"Content-Length: {MAX_BODY_BYTES + 1}\r\n\r\n"
    )
    with socket.create_connection((place.hostname, place.port), timeout=20) as wire:
        wire.sendall(request.encode())
        answer = wire.recv(4_000).decode()
    assert answer.startswith("HTTP/1.1 413")


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({}, "does not start without a password"),
        ({"ADMIN_PASSWORD": "short"}, "8 to 1,000 characters"),
        ({"ADMIN_PASSWORD_HASH": "secret"}, "is not an argon2 hash"),
    ],
)
def test_console_does_not_start_without_a_good_password(
    tmp_path: Path, variables: dict[str, str], words: str
) -> None:
    """One line, exit code 2; the password is not in it."""
    answer = Workplace(tmp_path, {"MOBILITY_ENV_FILE": "/dev/null"}).run(
        "console", **variables
    )
    assert answer.code == 2
    assert words in answer.stderr.replace("\n", " ")
    assert not any(value in answer.stderr for value in variables.values())
