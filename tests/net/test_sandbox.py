"""The sandbox: what a lab sees, what it leaves behind, how signals and the exit status pass."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from topologies import registry, sandbox

pytestmark = pytest.mark.net
PROJECT = Path(__file__).parents[2]
MACHINE = ["unshare", "--net", "--mount", "--pid", "--ipc", "--uts", "--fork", "--kill-child", "--mount-proc"]


def inside(code, run_dir, **options):
    """Runs Python code in a sandbox; the code's standard output."""
    out = run_dir / "out"
    with out.open("wb") as output:
        process = sandbox.start([sys.executable, "-c", code], keep=[run_dir], stdout=output, **options)
        status = process.wait(30)
    return status, out.read_text()


@pytest.mark.parametrize("moment", ["0.01", "0.05", "0.12", "0.25", "ready"])
@pytest.mark.parametrize("victim", ["launcher", "unshare", "first"])
def test_kill_9_leaves_nothing_behind(victim, moment, tmp_path):
    leftovers(victim, moment, tmp_path)


def test_an_orderly_end_leaves_nothing_behind(tmp_path):
    leftovers("none", "ready", tmp_path)


def leftovers(victim, moment, run_dir):
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    script = [sys.executable, str(Path(__file__).with_name("leftovers.py")), victim, moment, str(run_dir)]
    done = subprocess.run([*MACHINE, *script], env=environment, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stderr + done.stdout
    left = json.loads(done.stdout.splitlines()[-1])
    assert set(left) == {"interfaces", "processes", "namespaces", "mounts", "sysctls", "files"}
    assert not any(left.values()), left


def test_kept_paths_below_tmp_are_visible_and_the_rest_is_not(tmp_path):
    hidden = tmp_path.parent / f"{tmp_path.name}-hidden"
    hidden.write_text("the machine's")
    (tmp_path / "given").write_text("kept")
    code = f"""
from pathlib import Path
print(Path({str(tmp_path)!r}, "given").read_text(), Path({str(hidden)!r}).exists(), list(Path("/run").iterdir()))
Path({str(tmp_path)!r}, "made").write_text("inside")
"""
    status, output = inside(code, tmp_path)
    assert (status, output.split(maxsplit=2)) == (0, ["kept", "False", "[]\n"])
    assert (tmp_path / "made").read_text() == "inside"


def test_a_link_to_a_kept_folder_works_inside(tmp_path):
    real = tmp_path / "real"
    real.mkdir()
    (real / "given").write_text("kept")
    link = tmp_path / "link"
    link.symlink_to(real)
    process = sandbox.start(["cat", str(link / "given")], keep=[link], stdout=subprocess.PIPE)
    assert process.communicate(timeout=20)[0] == b"kept"


def test_the_working_directory_stays(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    process = sandbox.start(["pwd"], stdout=subprocess.PIPE)
    assert process.communicate(timeout=20)[0].decode().strip() == str(tmp_path)


def test_the_main_process_has_a_loopback_a_bpffs_and_a_hostname_of_its_own(tmp_path):
    code = """
import os, socket
listener = socket.create_server(("127.0.0.1", 0))
socket.create_connection(listener.getsockname())
print(socket.gethostname(), os.stat("/sys/fs/bpf").st_dev, "lo" in os.listdir("/sys/class/net"))
print(len([name for name in os.listdir("/sys/class/net") if name.startswith("eth")]))
"""
    status, output = inside(code, tmp_path, hostname="two-site")
    name, device, has_loopback, machine_interfaces = output.split()
    assert (status, name, has_loopback, machine_interfaces) == (0, "two-site", "True", "0")
    assert int(device) != Path("/sys/fs/bpf").stat().st_dev


@pytest.mark.parametrize(("code", "status"), [("raise SystemExit(3)", 3), ("import os; os.kill(os.getpid(), 9)", 137)])
def test_the_exit_status_is_the_main_process_s(code, status, tmp_path):
    assert inside(code, tmp_path)[0] == status


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_is_passed_on_to_the_main_process(number, tmp_path):
    code = """
import signal, sys
for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, lambda number, _: sys.exit(40 + number))
print("ready", flush=True)
while True:
    signal.pause()
"""
    process = sandbox.start([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    assert sandbox.signal_first(process.pid, number)
    assert process.wait(20) == 40 + number


def test_end_kills_a_main_process_that_will_not_go():
    process = sandbox.start(["sh", "-c", "trap '' TERM; echo ready; while :; do read x; done"], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    sandbox.end(process, wait_s=0.2)
    assert sandbox.first_process(process.pid) is None


def test_orphans_are_reaped(tmp_path):
    code = """
import os, select, time
from pathlib import Path
if os.fork() == 0:
    if os.fork() == 0:
        os._exit(0)
    os._exit(0)
os.wait()
deadline = time.monotonic() + 10
def zombies():
    return [p for p in Path("/proc").glob("[0-9]*/stat") if p.read_text().rpartition(")")[2].split()[0] == "Z"]
while zombies() and time.monotonic() < deadline:
    select.select([], [], [], 0.01)
print(len(zombies()))
"""
    assert inside(code, tmp_path) == (0, "0\n")


def test_a_detached_sandbox_outlives_its_launcher(tmp_path):
    launcher = f"""
import sys
from pathlib import Path
from topologies import registry, sandbox
run_dir = Path({str(tmp_path)!r})
lab = [sys.executable, "-c", "import signal; print('up', flush=True); signal.pause()"]
process = sandbox.start(lab, keep=[run_dir], detached=True, log=run_dir / "log")
registry.enlist(run_dir, "two-site", process.pid)
"""
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    subprocess.run([sys.executable, "-c", launcher], env=environment, check=True, timeout=20)
    lab = registry.find(tmp_path)
    assert lab.is_alive
    os.kill(lab.unshare_pid, signal.SIGKILL)


def test_two_labs_do_not_meet(tmp_path):
    code = """
import sys
from pathlib import Path
from topologies import interfaces
with interfaces.netlink(None) as kernel:
    kernel.veth("lab0", "lab1")
Path("/tmp/mine").write_text("x")
print(len(list(Path("/tmp").glob("mine"))), len(list(Path("/proc").glob("[0-9]*"))), flush=True)
sys.stdin.readline()
"""
    labs = [
        sandbox.start([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(2)
    ]
    for lab in labs:
        assert lab.stdout is not None
        assert lab.stdout.readline() == b"1 2\n"
    for lab in labs:
        lab.communicate(b"\n", timeout=20)
        assert lab.returncode == 0
