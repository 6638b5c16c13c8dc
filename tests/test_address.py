"""What of an address may be shown, and what a browser may write for one."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import address


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("rtsp://viewer:geheim@10.0.0.5:554/live", "rtsp://10.0.0.5:554/..."),
        ("rtsp://viewer:geheim@10.0.0.5", "rtsp://10.0.0.5"),
        ("RTSPS://geheim@kamera.local./", "RTSPS://kamera.local./"),
        ("rtsp://viewer:p@geheim@10.0.0.5/live", "rtsp://10.0.0.5/..."),
        ("rtsp://viewer:p/geheim@10.0.0.5/live", "rtsp://(hidden)"),
        ("rtsp://viewer:p?geheim@10.0.0.5/live", "rtsp://(hidden)"),
        ("rtsp://viewer:p#geheim@10.0.0.5/live", "rtsp://(hidden)"),
        ("rtsp://viewer:p\\geheim@10.0.0.5/live", "rtsp://(hidden)"),
        ("rtsp://viewer:p\ngeheim@10.0.0.5/live", "rtsp://10.0.0.5/..."),
        ("rtsp://viewer:1/geheim@10.0.0.5/live", "rtsp://(hidden)"),
        ("rtsp://viewer:geheim", "rtsp://(hidden)"),
        ("http://10.0.0.5/video.cgi?user=viewer&pwd=geheim", "http://10.0.0.5/..."),
        ("http://10.0.0.5?pwd=geheim", "http://10.0.0.5/..."),
        ("http://10.0.0.5/video.cgi?user=me@home&pwd=geheim", "http://(hidden)"),
        ("http://10.0.0.5/#geheim", "http://10.0.0.5/..."),
        ("rtsp://10.0.0.5:554/user=admin_password=geheim_channel=1.sdp", "rtsp://10.0.0.5:554/..."),
        ("srt://10.0.0.5:9000?passphrase=geheim", "srt://10.0.0.5:9000/..."),
        ("rtsp://viewer:geheim@[fd00::5]:554/live", "rtsp://[fd00::5]:554/..."),
        ("rtsp://viewer:gehe im@10.0.0.5/live", "rtsp://10.0.0.5/..."),
        ("rtsp://viewer:gehe%40im@10.0.0.5/live", "rtsp://10.0.0.5/..."),
        ("rstp://viewer:geheim@10.0.0.5/live", "rstp://10.0.0.5/..."),
        ("rtsp:/viewer:geheim@10.0.0.5/live", "(hidden)"),
        ("viewer:geheim@10.0.0.5/live", "(hidden)"),
        ("//viewer:geheim@10.0.0.5/live", "(hidden)"),
        ("10.0.0.5/video.cgi?user=viewer&pwd=geheim", "(hidden)"),
        (" rtsp://viewer:geheim@10.0.0.5/live", "rtsp://10.0.0.5/..."),
        ("/films/rtsp://me:geheim@cam", "(hidden)"),
        ("auto", "auto"),
        ("/dev/video0", "/dev/video0"),
        ("/home/pi/12:30 talk@home.mp4", "/home/pi/12:30 talk@home.mp4"),
        ("/home/pi/talk 2.mp4", "/home/pi/talk 2.mp4"),
        ("C:clip.mp4", "C:clip.mp4"),
        ("file:///home/pi/talk.mp4", "file:///home/pi/talk.mp4"),
        ("", ""),
    ],
)
def test_an_address_is_shown_without_what_may_be_a_password(text, expected):
    assert address.shown(text) == expected
    assert "geheim" not in expected


SECRET = "Zq7"


@given(
    st.sampled_from(["rtsp", "http", "https", "rtmp", "tcp", "srt"]),
    st.text(max_size=6),
    st.text(max_size=6),
    st.sampled_from(["10.0.0.5", "cam.local:554", "[fd00::5]:8554"]),
    st.text(max_size=6),
)
def test_no_password_of_any_characters_is_shown(scheme, before, after, host, path):
    password = before + SECRET + after
    for text in (
        f"{scheme}://viewer:{password}@{host}/{path}",
        f"{scheme}://viewer:{quote(password)}@{host}/{path}",
        f"{scheme}://{password}@{host}",
        f"{scheme}://{host}/{path}?pwd={password}",
        f"{scheme}://{host}/{password}/{path}",
    ):
        assert SECRET not in address.shown(text)


@pytest.mark.parametrize(
    ("authority", "host"),
    [
        ("desk", "desk"),
        ("Desk.Local:8080", "desk.local"),
        ("desk.local.", "desk.local"),
        ("desk.local.:8080", "desk.local"),
        ("desk:", "desk"),
        ("[::1]", "::1"),
        ("[::1]:8080", "::1"),
        ("[FE80::1%25eth0]:8080", "fe80::1"),
        ("[0:0:0:0:0:0:0:1]", "::1"),
        ("192.168.7.9:8080", "192.168.7.9"),
        ("::1", None),
        ("", None),
        (":8080", None),
        ("[::1", None),
        ("desk:http", None),
        ("me@desk", None),
        ("desk/x", None),
        ("a b", None),
        ("..", None),
    ],
)
def test_a_host_is_read_as_browsers_write_it(authority, host):
    assert address.host_of(authority) == host


def test_an_address_to_click_on_has_brackets_where_it_needs_them():
    assert address.url("http", "::1", 8080) == "http://[::1]:8080/"
    assert address.url("http", "desk.local", 80) == "http://desk.local:80/"
