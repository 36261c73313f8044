"""Addresses of boards: what is allowed, and that nothing else reaches ssh."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekd.errors import ConfigError
from edgekd.remote.address import Address, parse_address
from edgekd.remote.errors import printable, unreachable


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("ssh://pi5", Address("pi5")),
        ("ssh://pi@raspberrypi.local", Address("raspberrypi.local", "pi")),
        ("ssh://pi@10.0.0.7:2222", Address("10.0.0.7", "pi", 2222)),
        ("ssh://pi@pi5/", Address("pi5", "pi")),
        ("SSH://my_alias", Address("my_alias")),
        ("ssh://pi@[fe80::1%eth0]:22", Address("fe80::1%eth0", "pi", 22)),
        ("ssh://[::1]", Address("::1")),
    ],
)
def test_addresses_are_read(url, expected):
    assert parse_address(url) == expected


@pytest.mark.parametrize(
    "url",
    [
        "ssh://-oProxyCommand=touch /tmp/owned",
        "ssh://-oProxyCommand=x",
        "ssh://-l@host",
        "ssh://-oProxyCommand=x@host",
        "ssh://host -oProxyCommand=x",
        "ssh://ho st",
        "ssh://host\nProxyCommand x",
        "ssh://host\n",
        "ssh://host\x00",
        "ssh://ho'st",
        'ssh://ho"st',
        "ssh://host;id",
        "ssh://$(id)",
        "ssh://`id`@host",
        "ssh://us er@host",
        "ssh://@host",
        "ssh://",
        "ssh://pi@",
        "ssh://host:",
        "ssh://host:0",
        "ssh://host:65536",
        "ssh://host:22x",
        "ssh://host:-1",
        "ssh://host:22:22",
        "ssh://host/path",
        "ssh://host//",
        "ssh://host?x",
        "ssh://h%6fst",
        "ssh://höst",
        "ssh://host\u0660",
        "ssh://::1",
        "ssh://[::1",
        "ssh://[::1]x",
        "ssh://[host]",
        "ssh://[::1%-o]x",
        "ssh://[::1%eth 0]",
        "ssh://a@b@host",
        "ssh://" + "h" * 300,
        "host",
        "http://host",
        "",
        " ssh://host",
    ],
)
def test_anything_else_is_refused(url):
    with pytest.raises(ConfigError) as caught:
        parse_address(url)
    assert "Allowed: ssh://[USER@]HOST[:PORT]" in caught.value.message
    assert "\n" not in caught.value.message


@given(st.text(max_size=40))
def test_what_is_accepted_cannot_be_an_option_or_leave_its_argument(text):
    try:
        address = parse_address(f"ssh://{text}")
    except ConfigError:
        return
    *options, dashes, host = address.arguments()
    assert dashes == "--"
    assert not host.startswith("-")
    assert all(character.isascii() and (character.isalnum() or character in "_.-:%") for character in host)
    assert options[::2] in ([], ["-l"], ["-p"], ["-l", "-p"])
    assert all(not value.startswith("-") and value.isascii() and value.isprintable() for value in options[1::2])
    assert " " not in "".join(options)


@given(
    st.from_regex(r"[a-z_][a-z0-9_.-]{0,10}", fullmatch=True) | st.none(),
    st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}", fullmatch=True) | st.just("fe80::1%eth0"),
    st.integers(1, 65535) | st.none(),
)
def test_an_address_reads_what_it_writes(user, host, port):
    address = Address(host, user, port)
    assert parse_address(str(address)) == address
    assert all(character.isalnum() or character in "_.-" for character in address.name)


def test_a_password_is_refused_and_never_shown():
    with pytest.raises(ConfigError) as caught:
        parse_address("ssh://pi:hunter2@host")
    assert "it has a password" in caught.value.message
    assert "hunter2" not in caught.value.message
    assert "ssh-copy-id" in caught.value.hint


def test_what_ssh_says_becomes_what_to_do():
    changed = "@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key verification failed.\r\n"
    error = unreachable("ssh://pi5", "pi5", "ssh -- pi5", changed)
    assert "another one than before" in error.message
    assert "ssh-keygen -R 'pi5'" in error.hint
    assert error.exit_code == 3
    unknown = unreachable(
        "ssh://pi5", "pi5", "ssh -- pi5", "No ED25519 host key is known for pi5\nHost key verification failed."
    )
    assert "not known here" in unknown.message
    assert unknown.hint.endswith("ssh -- pi5")
    other = unreachable("ssh://pi5", "pi5", "ssh -- pi5", "Something new\x1b[31m")
    assert other.message == "ssh://pi5: no connection: Something new?[31m"


@given(st.text())
def test_foreign_text_has_no_control_characters(text):
    shown = printable(text)
    assert all(character == "\n" or ord(character) >= 0x20 for character in shown)
    assert not any(0x7F <= ord(character) < 0xA0 for character in shown)
