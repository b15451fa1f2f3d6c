"""The device's own resolv.conf, and never the machine's."""

from ipaddress import ip_address
from pathlib import Path

import pytest

from hosts.device import resolvconf
from meclab import settings
from meclab.model import MILLISECOND, SECOND

RESOLVERS = [ip_address("10.0.1.53"), ip_address("2001:db8:0:2::53")]
TARGET = resolvconf.PATH.resolve()


@pytest.mark.parametrize(("timeout_ns", "seconds"), [(5 * SECOND, 5), (200 * MILLISECOND, 1), (1_500 * MILLISECOND, 2)])
def test_it_names_the_resolvers_and_the_stubs_timers(timeout_ns: int, seconds: int) -> None:
    assert resolvconf.text(RESOLVERS, settings.Stub(timeout=timeout_ns, tries=3)) == (
        f"nameserver 10.0.1.53\nnameserver 2001:db8:0:2::53\noptions timeout:{seconds} attempts:3\n"
    )


@pytest.mark.parametrize(
    ("root", "ours"),
    [
        (f"/meclab/etc/ue1/{TARGET.name}", True),
        (f"/meclab/etc/ue2/{TARGET.name}", False),
        ("/docker/containers/1/resolv.conf", False),
    ],
    ids=["this node's", "another node's", "a container's"],
)
def test_only_a_file_that_the_lab_has_bound_for_this_node_is_its_own(root: str, ours: bool) -> None:
    mounts = f"21 1 0:20 / /proc rw - proc proc rw\n36 35 98:0 {root} {TARGET} rw,noatime - tmpfs tmpfs rw\n"
    assert resolvconf.own("ue1", mounts) == (resolvconf.PATH if ours else None)


def test_a_machines_own_file_is_nobodys() -> None:
    assert resolvconf.own("ue1", "21 1 0:20 / /proc rw - proc proc rw\n") is None


def test_a_file_is_changed_in_place(tmp_path: Path) -> None:
    path = tmp_path / "resolv.conf"
    path.write_text("# something that is longer than what replaces it\n" * 3)
    inode = path.stat().st_ino
    resolvconf.ResolvConf(path, settings.Stub()).write(RESOLVERS[0], None)
    assert path.read_text() == "nameserver 10.0.1.53\noptions timeout:5 attempts:2\n"
    assert path.stat().st_ino == inode


def test_a_device_without_a_resolver_keeps_its_file(tmp_path: Path) -> None:
    path = tmp_path / "resolv.conf"
    path.write_text("# no resolver\n")
    resolvconf.ResolvConf(path, settings.Stub()).write(None, None)
    assert path.read_text() == "# no resolver\n"


def test_a_file_that_cannot_be_written_ends_nothing(tmp_path: Path) -> None:
    resolvconf.ResolvConf(tmp_path / "missing", settings.Stub()).write(*RESOLVERS)
    assert not (tmp_path / "missing").exists()
