"""What is seen of an address before Ray is asked."""

from __future__ import annotations

import socket

import pytest

from daemon.cluster.reaching import NoRayError, check_own, check_there


def test_an_address_that_is_not_of_this_machine_is_named() -> None:
    check_own("127.0.0.1:8210")
    with pytest.raises(NoRayError, match=r"does not have the address 192\.0\.2\.250 "):
        check_own("192.0.2.250:8210")
    with pytest.raises(NoRayError, match="does not have the address 2001:db8::1 "):
        check_own("[2001:db8::1]:8210")


@pytest.mark.skipif(not socket.has_ipv6, reason="IPv6 is not here")
def test_where_nobody_listens_is_named() -> None:
    for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        with socket.create_server((host, 0), family=family) as server:
            port = server.getsockname()[1]
            address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
            check_there(address)
        with pytest.raises(NoRayError, match="nothing answers at"):
            check_there(address)
