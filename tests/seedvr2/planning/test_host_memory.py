"""How much memory there is: in made-up trees of /proc and /sys, under real limits of a process, in a real group."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from seedvr2.planning import host_memory

ROOT = Path(__file__).parents[3]
GIB = 1 << 30
MEMINFO = "MemTotal: 16777216 kB\nMemAvailable: 12582912 kB\nSwapTotal: 2097152 kB\nSwapFree: 1048576 kB\n"
V2_MOUNT = "30 23 0:26 {root} /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
V1_MOUNT = "35 31 0:32 {root} /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"
SERVICE = "system.slice/seedvr2d.service"


def tree(root: Path, files: Mapping[str, object]) -> Path:
    for name, content in {"proc/meminfo": MEMINFO, **files}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(str(content))
    return root


def group(folder: str, limit: object, used: int, cache: int = 0, high: object = "max") -> dict[str, object]:
    base = f"sys/fs/cgroup/{folder}"
    stat = f"anon 1\ninactive_file {cache}\nactive_file 0\nshmem 77\n"
    return {f"{base}/memory.max": limit, f"{base}/memory.high": high, f"{base}/memory.current": used,
            f"{base}/memory.stat": stat}  # fmt: skip


def v2(path: str = f"/{SERVICE}", root: str = "/") -> dict[str, object]:
    return {"proc/self/cgroup": f"0::{path}\n", "proc/self/mountinfo": V2_MOUNT.format(root=root)}


def test_without_limits_the_machine_counts(tmp_path: Path) -> None:
    tree(tmp_path, v2() | group(SERVICE, "max", GIB))
    assert host_memory.available(tmp_path) == 12 * GIB
    assert host_memory.obtainable(tmp_path) == 13 * GIB
    assert host_memory.capacity(tmp_path) == 18 * GIB


def test_the_services_own_group_counts_and_its_file_cache_gives_way(tmp_path: Path) -> None:
    tree(tmp_path, v2() | group(SERVICE, 3 * GIB, 2 * GIB, cache=GIB // 2) | group("system.slice", "max", 9 * GIB))
    assert host_memory.available(tmp_path) == host_memory.obtainable(tmp_path) == GIB + GIB // 2
    assert host_memory.capacity(tmp_path) == 3 * GIB


def test_the_tightest_group_above_counts(tmp_path: Path) -> None:
    tree(tmp_path, v2() | group(SERVICE, 8 * GIB, GIB) | group("system.slice", 4 * GIB, 3 * GIB))
    assert host_memory.available(tmp_path) == GIB
    assert host_memory.capacity(tmp_path) == 4 * GIB


def test_what_slows_a_group_down_is_a_limit_too(tmp_path: Path) -> None:
    tree(tmp_path, v2() | group(SERVICE, 8 * GIB, GIB, high=2 * GIB))
    assert host_memory.available(tmp_path) == GIB


def test_a_container_sees_its_group_as_the_root(tmp_path: Path) -> None:
    tree(tmp_path, v2("/") | group("", 2 * GIB, GIB))
    assert host_memory.available(tmp_path) == GIB


def test_a_container_that_sees_the_hosts_path(tmp_path: Path) -> None:
    tree(tmp_path, v2("/docker/abc", root="/docker/abc") | group("", 2 * GIB, GIB))
    assert host_memory.capacity(tmp_path) == 2 * GIB


def test_a_path_that_leads_out_of_the_tree(tmp_path: Path) -> None:
    tree(tmp_path, v2("/../../other") | group("", 2 * GIB, GIB))
    assert host_memory.capacity(tmp_path) == 2 * GIB


def test_version_one(tmp_path: Path) -> None:
    base = "sys/fs/cgroup/memory"
    tree(
        tmp_path,
        {
            "proc/self/cgroup": f"9:name=systemd:/x\n4:cpu,memory:/{SERVICE}\n0::/\n",
            "proc/self/mountinfo": V1_MOUNT.format(root="/"),
            f"{base}/{SERVICE}/memory.limit_in_bytes": 2**63 - 4096,
            f"{base}/{SERVICE}/memory.usage_in_bytes": GIB,
            f"{base}/system.slice/memory.limit_in_bytes": 4 * GIB,
            f"{base}/system.slice/memory.usage_in_bytes": 2 * GIB,
            f"{base}/system.slice/memory.stat": f"active_file 5\ntotal_active_file {GIB}\ntotal_inactive_file 9",
            f"{base}/memory.limit_in_bytes": 2**63 - 4096,
        },
    )
    assert host_memory.available(tmp_path) == 3 * GIB + 9
    assert host_memory.capacity(tmp_path) == 4 * GIB


def test_a_group_that_is_over_its_limit_has_nothing_left(tmp_path: Path) -> None:
    tree(tmp_path, v2() | group(SERVICE, GIB, 2 * GIB))
    assert host_memory.available(tmp_path) == 0


def test_a_system_without_proc(tmp_path: Path) -> None:
    assert host_memory.available(tmp_path) > GIB // 4


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="this system does not tell")
@pytest.mark.parametrize("kind", ["RLIMIT_AS", "RLIMIT_DATA"])
def test_limits_of_the_process_count(kind: str) -> None:
    code = f"""
import resource
from seedvr2.planning import host_memory
resource.setrlimit(resource.{kind}, (1 << 30, 1 << 30))
print(host_memory.capacity(), host_memory.available())
kept = bytearray(300 << 20)
print(host_memory.available())
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    capacity, before, after = map(int, run.stdout.split())
    assert capacity == GIB
    assert GIB // 2 < before < GIB
    assert before - after == pytest.approx(300 << 20, abs=1 << 20)


@pytest.fixture
def real_group() -> Iterator[Path]:
    """A group of 512 MiB below the one that this process is in."""
    found = list(host_memory._memory_folders(Path("/")))
    folders = [folder for folder, _, _ in found if (folder / "memory.limit_in_bytes").exists()]
    if os.geteuid() != 0 or not folders or not os.access(folders[0], os.W_OK):
        pytest.skip("no group can be made here")
    made = folders[0] / f"seedvr2-test-{os.getpid()}"
    made.mkdir()
    (made / "memory.limit_in_bytes").write_text(str(512 << 20))
    yield made
    made.rmdir()


def test_a_real_group(real_group: Path) -> None:
    code = """
import os, sys
from pathlib import Path
from seedvr2.planning import host_memory
(Path(sys.argv[1]) / "cgroup.procs").write_text(str(os.getpid()))
print(host_memory.capacity(), host_memory.available())
kept = b"x" * (100 << 20)
print(host_memory.available())
"""
    run = subprocess.run([sys.executable, "-c", code, real_group], capture_output=True, text=True, cwd=ROOT, check=True)
    capacity, before, after = map(int, run.stdout.split())
    assert capacity == 512 << 20 and before <= capacity
    assert before - after == pytest.approx(100 << 20, abs=8 << 20)


def test_what_this_process_gives_back_is_what_it_has_beyond_its_libraries(tmp_path: Path) -> None:
    status = {"proc/self/status": "VmRSS: 9000000 kB\nRssAnon:\t 2097152 kB\nRssFile: 5000 kB\n"}
    assert host_memory.held(tree(tmp_path, status)) == 2 * GIB - host_memory.OWN
    assert host_memory.held(tree(tmp_path, {"proc/self/status": "RssAnon: 1000 kB\n"})) == 0
