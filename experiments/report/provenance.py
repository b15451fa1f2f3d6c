"""How runs were made, for whoever wants the same figures again."""

import shlex
from collections.abc import Callable, Iterable, Sequence

from experiments.report.run import Run
from experiments.results import Manifest


def facts(runs: Sequence[Run]) -> list[tuple[str, str]]:
    """(What, which) of the runs; where they differ, every value once."""
    manifests = [run.manifest for run in runs]

    def each(pick: Callable[[Manifest], str]) -> str:
        return ", ".join(dict.fromkeys(filter(None, map(pick, manifests))))

    seeds = sorted({manifest.seed for manifest in manifests})
    told = [
        ("command", "; ".join(dict.fromkeys(_command(manifest.command) for manifest in manifests if manifest.command))),
        ("seed", ", ".join(map(str, seeds[:20])) + (f" and {len(seeds) - 20} more" if len(seeds) > 20 else "")),
        ("links", each(_links)),
        (
            "data plane",
            each(_dataplane),
        ),
        ("address family", each(lambda m: m.family)),
        ("machine", each(_machine)),
        ("versions", _versions(manifests)),
        ("started", _period(manifest.started_at for manifest in manifests)),
        ("start-up", _startup(manifests)),
    ]
    return [(name, text) for name, text in told if text]


def _command(command: Sequence[str]) -> str:
    return shlex.join(command)


def _dataplane(manifest: Manifest) -> str:
    return f"{manifest.dataplane} ({manifest.datapath} datapath)" if manifest.datapath else manifest.dataplane


def _machine(manifest: Manifest) -> str:
    cores = f"{manifest.cores} cores" if manifest.cores else ""
    kernel = f"Linux {manifest.kernel}" if manifest.kernel else ""
    return ", ".join(part for part in (kernel, cores) if part)


def _links(manifest: Manifest) -> str:
    said = manifest.links
    if manifest.links == "wire":
        said += (
            " (user space, with real-time priority)" if manifest.realtime else " (user space, no real-time priority)"
        )
    return said if manifest.links_seeded else f"{said}, impairments not seeded"


def _versions(manifests: Sequence[Manifest]) -> str:
    found: dict[str, dict[str, None]] = {}
    for manifest in manifests:
        for name, version in manifest.versions.items():
            found.setdefault(name, {})[version] = None
    return ", ".join(f"{name} {' and '.join(versions)}" for name, versions in found.items())


def _period(instants: Iterable[str]) -> str:
    ordered = sorted({f"{instant[:19].replace('T', ' ')} UTC" for instant in instants})
    return ordered[0] if len(ordered) < 2 else f"{ordered[0]} to {ordered[-1]}"


def _startup(manifests: Sequence[Manifest]) -> str:
    known = sorted(manifest.startup_s for manifest in manifests if manifest.startup_s is not None)
    if not known:
        return ""
    low, high = f"{known[0]:.1f}", f"{known[-1]:.1f}"
    return f"{low if low == high else f'{low} to {high}'} s from the command to the first probe"
