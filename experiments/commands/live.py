"""Commands for an interactive lab: up, ps, exec, cli, move, link, fail, restore, trace, capture, down."""

import os
import sys
from pathlib import Path
from typing import Any

import click
from pydantic import ValidationError
from pydantic_core import ErrorDetails
from rich.console import Console
from rich.table import Table

from experiments import capture, control, launch, p4program, scenario_file
from experiments.commands.options import (
    dataplane_option,
    lab_option,
    links_option,
    of_dataplane,
    out_option,
    overrides_option,
    p4_target_option,
)
from experiments.inside import Mode
from meclab.errors import InputError, RunError
from meclab.plan import Plan, PlannedDevice
from meclab.planning import make
from meclab.scenario import LinkChange, LinkKind
from topologies import machine, registry, sandbox

console = Console(highlight=False)
progress = Console(stderr=True, highlight=False)
node_argument = click.argument("node")


def _plan(lab: registry.Lab) -> Plan:
    return Plan.model_validate_json((lab.run_dir / "plan.json").read_text())


@click.command()
@click.argument("scenario")
@click.option("--method", help="Method to run it with; by default vip where the scenario has it, else its first.")
@dataplane_option
@p4_target_option
@links_option
@overrides_option
@out_option
def up(
    scenario: str,
    method: str | None,
    dataplane: str | None,
    p4_target: str | None,
    links: LinkKind | None,
    overrides: tuple[str, ...],
    out: Path,
) -> None:
    """Bring a scenario's network up and leave it running, for your own experiments."""
    changes = scenario_file.overrides(overrides) | of_dataplane(dataplane, p4_target)
    chosen = scenario_file.load(scenario, changes)[0]
    graph = scenario_file.graph(chosen)
    kind, datapath = machine.choices(machine.inspect(), links or chosen.link_kind)
    steered = next((known for known in chosen.methods if known.name == "vip"), chosen.methods[0])
    plan = make(chosen, graph, scenario_file.method(method) if method else steered, kind)
    p4program.require(plan)
    run_dir = launch.make_run_dir(out, plan, Mode.INTERACTIVE)
    process, read_fd = launch.start(run_dir, plan, Mode.INTERACTIVE, datapath)
    with progress.status("starting") as status:
        for report in launch.reports(read_fd):
            if "stage" in report:
                status.update(report["stage"])
            if report.get("over"):
                sandbox.end(process)
                raise RunError(report["error"] or "the lab ended before it was ready")
            if report.get("ready"):
                break
        else:
            raise RunError(launch.silent_end(run_dir, process))
    devices = plan.devices[:3]
    console.print(f"[bold]{plan.scenario}[/] is up with method {plan.method.label}, in {run_dir}")
    console.print(f"  devices    {', '.join(f'{d.name} at {d.ap}' for d in devices)}{' …' * (len(plan.devices) > 3)}")
    server = _server(plan, devices[0])
    console.print(f"  server     {server}")
    console.print(f"  try        ./lab exec {devices[0].name} -- ping -c 3 {server}")
    console.print(f"             ./lab exec {devices[0].name} -- curl -sL http://{server}:8080/")
    other = plan.access_points[-1].name
    console.print(f"             ./lab move {devices[0].name} {other}")
    console.print(f"             ./lab trace {devices[0].name} {_target(plan, devices[0])}")
    console.print("             ./lab down")


def _server(plan: Plan, device: PlannedDevice) -> str:
    """What a client on the device connects to: an address, or the application's name."""
    if device.server_ipv4 is not None:
        return str(device.server_ipv4)
    return plan.dns.name.rstrip(".") if device.resolver_ipv4 is not None else str(plan.address(device.initial_host))


def _target(plan: Plan, device: PlannedDevice) -> str:
    """Where a trace to the device's server leads: an address, or its first MEC host."""
    return str(device.server_ipv4) if device.server_ipv4 is not None else device.initial_host


@click.command()
@out_option
def ps(out: Path) -> None:
    """List the labs that run."""
    table = Table("name for --lab", "method", "devices", "links", box=None, padding=(0, 2, 0, 0))
    for lab in registry.running(out):
        plan = _plan(lab)
        table.add_row(
            f"{lab.scenario} or {lab.run_dir.name}", plan.method.label, str(len(plan.devices)), plan.links_kind
        )
    console.print(table if table.row_count else "no lab is running", soft_wrap=True)


@click.command("exec", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@node_argument
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@lab_option
@out_option
def execute(node: str, command: tuple[str, ...], name: str | None, out: Path) -> None:
    """Run a command on a node: lab exec ue1 -- ping 10.99.0.1 (`root` is where the switches are)."""
    lab = registry.find(out, name)
    words = list(command[1:] if command[0] == "--" else command)
    argv = registry.enter_command(lab, registry.node_pid(lab, node), words)
    sys.stdout.flush()
    os.execvp(argv[0], argv)


@click.command()
@lab_option
@out_option
def cli(name: str | None, out: Path) -> None:
    """Mininet's own prompt in a running lab."""
    lab = registry.find(out, name)
    argv = registry.prompt_command(lab)
    os.execvp(argv[0], argv)


@click.command()
@click.argument("device")
@click.argument("ap")
@lab_option
@out_option
def move(device: str, ap: str, name: str | None, out: Path) -> None:
    """Move a device to another access point."""
    lab = registry.find(out, name)
    moved = control.request(lab.run_dir, "move", device=device, ap=ap)
    console.print(f"{device} moves from {moved['from']} to {ap}")


@click.command()
@click.argument("a")
@click.argument("b")
@click.argument("changes", nargs=-1, required=True, metavar="delay=10ms loss=1% … or down, up")
@lab_option
@out_option
def link(a: str, b: str, changes: tuple[str, ...], name: str | None, out: Path) -> None:
    """Change a link while the lab runs: delay, jitter, loss, rate, queue; or take it down and up."""
    lab = registry.find(out, name)
    if changes in (("down",), ("up",)):
        control.request(lab.run_dir, f"link-{changes[0]}", a=a, b=b)
        console.print(f"{a}-{b} is {changes[0]}")
        return
    fields = dict(change.partition("=")[::2] for change in changes)
    try:
        parsed = LinkChange.model_validate({"between": (a, b), **fields})
    except ValidationError as error:
        raise InputError("; ".join(_change_problem(problem) for problem in error.errors())) from error
    shape = control.request(lab.run_dir, "link", change=parsed.model_dump(mode="json", exclude_none=True))
    console.print(f"{a}-{b}: " + ", ".join(f"{key} {value}" for key, value in shape.items()))


def _change_problem(details: ErrorDetails) -> str:
    """What is wrong with one `key=value` of a link's change."""
    key, words = details["loc"][0], details["msg"].removeprefix("Value error, ")
    if details["type"] == "extra_forbidden":
        words = "one of delay, jitter, loss, rate, queue"
        return f"found the unknown key {key!r}; expected {words}"
    return f"{key}: found {details['input']!r}; expected {words}"


@click.command()
@click.argument("host")
@click.option("--how", type=click.Choice(["process", "silence", "link"]), default="process", show_default=True)
@lab_option
@out_option
def fail(host: str, how: str, name: str | None, out: Path) -> None:
    """Make a MEC host fail, or a service such as rdns or adns."""
    control.request(registry.find(out, name).run_dir, "fail", host=host, how=how)
    console.print(f"{host} has failed ({how}); ./lab restore {host} brings it back")


@click.command()
@click.argument("host")
@lab_option
@out_option
def restore(host: str, name: str | None, out: Path) -> None:
    """Bring a failed MEC host back."""
    control.request(registry.find(out, name).run_dir, "restore", host=host)
    console.print(f"{host} is back")


@click.command()
@click.argument("source")
@click.argument("destination")
@click.option("--family", type=click.Choice(["ipv4", "ipv6"]), default="ipv4", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of the table.")
@lab_option
@out_option
def trace(source: str, destination: str, family: str, as_json: bool, name: str | None, out: Path) -> None:
    """Show the path that a packet takes now, hop by hop. DESTINATION is a node, `vip` or an address."""
    lab = registry.find(out, name)
    path: dict[str, Any] = control.request(lab.run_dir, "trace", source=source, destination=destination, family=family)
    if as_json:
        console.print_json(data=path)
        return
    table = Table("node", "in", "table: rule that matched -> actions", "out", "outcome", box=None, padding=(0, 2, 0, 0))
    for hop in path["hops"]:
        rules = [f"{r['table']}: {r['match']} -> {', '.join(r['actions']) or 'drop'}" for r in hop["rules"]]
        ports = [str(port) if port is not None else "" for port in (hop["in_port"], hop["out_port"])]
        table.add_row(hop["node"], ports[0], "\n".join(rules), ports[1], hop["outcome"])
    console.print(table)


@click.command("capture")
@click.argument("point", metavar="NODE[:INTERFACE]")
@click.option("-w", "target", default="-", show_default=True, help="File to write, or - for standard output.")
@click.option("-f", "capture_filter", default="", help="Capture filter, such as 'udp port 9007'.")
@lab_option
@out_option
def live_capture(point: str, target: str, capture_filter: str, name: str | None, out: Path) -> None:
    """Capture live: lab capture ue1 -w - | wireshark -k -i -"""
    lab = registry.find(out, name)
    node, _, interface = point.partition(":")
    plan = _plan(lab)
    known = plan.interfaces(node)
    if interface and interface not in known:
        raise InputError(f"no interface {interface} on {node}; one of {', '.join(known)}")
    interfaces = [interface] if interface else known
    if target == "-" and sys.stdout.isatty():
        raise click.UsageError("a capture on the terminal is unreadable: give -w FILE, or pipe it into wireshark")
    switches = {switch.name for switch in plan.switches}
    pid = None if node in switches else registry.node_pid(lab, node)
    argv = capture.live(interfaces, capture_filter)
    if target != "-":
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        os.dup2(descriptor, 1)
    entered = registry.enter_command(lab, pid, argv)
    os.execvp(entered[0], entered)


@click.command()
@lab_option
@out_option
def down(name: str | None, out: Path) -> None:
    """Take a running lab down."""
    lab = registry.find(out, name)
    launch.take_down(lab)
    console.print(f"{lab.scenario} is down")


COMMANDS = (up, ps, execute, cli, move, link, fail, restore, trace, live_capture, down)
