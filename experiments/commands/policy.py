"""The operator at run time: lab policy show, set, pin, unpin, log."""

import json
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from pydantic import ValidationError
from pydantic_core import ErrorDetails
from rich.console import Console
from rich.table import Table

from experiments import control
from experiments.commands.options import lab_option, out_option
from meclab.errors import InputError
from meclab.operation import PolicyChange
from topologies import registry

console = Console(highlight=False)
json_option = click.option("--json", "as_json", is_flag=True, help="JSON instead of text.")
_ASK_AGAIN_S = 0.3
_PATIENCE_NS = 2_000_000_000
"""Age at which a followed log shows a decision although somebody has not confirmed it."""
_WIDTHS = (4, 12, 5, 5, 14, 8, 10)
Entry = dict[str, Any]


@click.group()
def policy() -> None:
    """Ask and change how the orchestrator of a running lab decides."""


@policy.command()
@json_option
@lab_option
@out_option
def show(as_json: bool, name: str | None, out: Path) -> None:
    """Show the policy in force and the pins."""
    found = control.request(registry.find(out, name).run_dir, "policy")
    if as_json:
        console.print_json(data=found)
        return
    _show_policy(found["policy"])
    for device, host in sorted(found["pins"].items()):
        console.print(f"{device} is pinned to {host}")


@policy.command("set")
@click.argument("changes", nargs=-1, required=True, metavar="kind=least-loaded hysteresis=2ms …")
@json_option
@lab_option
@out_option
def change(changes: tuple[str, ...], as_json: bool, name: str | None, out: Path) -> None:
    """Change the policy: kind, hysteresis, load_margin, load_limit, dwell, delay; decides again for every device."""
    asked = parsed(changes)
    answer = control.request(registry.find(out, name).run_dir, "change-policy", change=asked)
    if as_json:
        console.print_json(data=answer)
        return
    _show_policy(answer["policy"])
    console.print(moved(answer["changed"]))


@policy.command()
@click.argument("device")
@click.argument("host")
@json_option
@lab_option
@out_option
def pin(device: str, host: str, as_json: bool, name: str | None, out: Path) -> None:
    """Pin a device to a MEC host: while the host lives, it serves the device whatever the policy says."""
    _pin(device, host, f"{device} is pinned to {host}", as_json, name, out)


@policy.command()
@click.argument("device")
@json_option
@lab_option
@out_option
def unpin(device: str, as_json: bool, name: str | None, out: Path) -> None:
    """End a device's pin."""
    _pin(device, None, f"{device} is not pinned", as_json, name, out)


def _pin(device: str, host: str | None, said: str, as_json: bool, name: str | None, out: Path) -> None:
    answer = control.request(registry.find(out, name).run_dir, "pin", device=device, host=host)
    if as_json:
        console.print_json(data=answer)
    else:
        console.print(f"{said}; {moved(answer['changed'])}")


@policy.command("log")
@click.option("--after", default=0, show_default=True, metavar="N", help="Only decisions after this number.")
@click.option("--follow", is_flag=True, help="Go on with what is decided from now on, until Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a decision.")
@lab_option
@out_option
def show_log(after: int, follow: bool, as_json: bool, name: str | None, out: Path) -> None:
    """Show the audit log: every decision, its reason, and when everybody had been told."""
    run_dir = registry.find(out, name).run_dir
    header = True
    for entries in _followed(run_dir, after) if follow else [_decisions(run_dir, after)]:
        if as_json:
            for entry in entries:
                click.echo(json.dumps(entry))
        elif entries:
            for line in lines(entries, header):
                console.print(line, markup=False, soft_wrap=True)
            header = False


def _decisions(run_dir: Path, after: int) -> list[Entry]:
    return list(control.request(run_dir, "decisions", after=after))


def _followed(run_dir: Path, after: int) -> Iterator[list[Entry]]:
    """What is new, again and again; in order, so that a decision that is still on its way holds later ones up."""
    while True:
        entries = settled(_decisions(run_dir, after), time.time_ns())
        after = entries[-1]["number"] if entries else after
        yield entries
        time.sleep(_ASK_AGAIN_S)


def settled(entries: Iterable[Entry], now_ns: int) -> list[Entry]:
    """The first entries, up to one that somebody may still confirm."""
    found = []
    for entry in entries:
        if entry["fate"] == "waiting" and now_ns - entry["heard_ns"] < _PATIENCE_NS:
            break
        found.append(entry)
    return found


def parsed(changes: Iterable[str]) -> dict[str, Any]:
    """`kind=nearest` and the like as a change of policy; raises `InputError` with everything that is wrong."""
    fields: dict[str, str] = {}
    for given in changes:
        key, equals, value = given.partition("=")
        if not equals:
            raise InputError(f"found {given!r}; expected KEY=VALUE, such as hysteresis=2ms")
        fields[key] = value
    for key in ("load_margin", "load_limit"):
        if key in fields:
            fields[key] = _number(fields[key])
    try:
        asked = PolicyChange.model_validate(fields, context={"written": True})
    except ValidationError as error:
        raise InputError("; ".join(_problem(details) for details in error.errors())) from error
    return asked.model_dump(mode="json", exclude_unset=True)


def _number(text: str) -> Any:
    """`0.1` as a number; `10%` stays as it is."""
    try:
        return float(text)
    except ValueError:
        return text


def _problem(details: ErrorDetails) -> str:
    if details["type"] == "extra_forbidden":
        return f"found the unknown key {details['loc'][0]!r}; expected one of {', '.join(PolicyChange.model_fields)}"
    words = details["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    return f"{details['loc'][0]}: found {details['input']!r}; expected {words}"


def moved(devices: list[str]) -> str:
    """`ue1, ue2 got another host`, in words."""
    if not devices:
        return "no device got another host"
    shown = ", ".join(devices[:10]) + (f" and {len(devices) - 10} more" if len(devices) > 10 else "")
    return f"{shown} got another host"


def _show_policy(found: dict[str, Any]) -> None:
    shown = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for key, value in found.items():
        shown.add_row(key, str(value))
    console.print(shown)


def lines(entries: Iterable[Entry], header: bool = True) -> Iterator[str]:
    """A line a decision; columns keep their width, so that what follows later stands below what came before."""
    if header:
        yield _line("no.", "time (UTC)", "for", "at", "host", "trigger", "told after", "reason")
    for entry in entries:
        yield _line(
            str(entry["number"]),
            f"{datetime.fromtimestamp(entry['heard_ns'] / 1e9, UTC):%H:%M:%S.%f}"[:12],
            entry["device"] or entry["location"] or "",
            entry["ap"] or "",
            _hosts(entry),
            entry["trigger"],
            _told(entry),
            "; ".join(filter(None, (entry["reason"], entry["detail"]))),
        )


def _line(*cells: str) -> str:
    *fixed, last = cells
    return "  ".join([*(cell.ljust(width) for cell, width in zip(fixed, _WIDTHS, strict=True)), last])


def _hosts(entry: Entry) -> str:
    if entry["host"] is None:
        return "-"
    before = entry["from_host"]
    return entry["host"] if before in (None, entry["host"]) else f"{before} -> {entry['host']}"


def _told(entry: Entry) -> str:
    """Decision to last confirmation, or why there is none."""
    if entry["fate"] != "told" or entry["decided_ns"] is None or entry["told_ns"] is None:
        return "" if entry["fate"] == "told" else str(entry["fate"])
    return f"{(entry['told_ns'] - entry['decided_ns']) / 1e6:.1f} ms"


COMMANDS = (policy,)
