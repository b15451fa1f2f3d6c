"""Which part of the lab may import what: the table in docs/architecture.md."""

import ast
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
MAY_IMPORT = {
    "meclab": {"meclab", "pydantic"},
    "topologies": {"topologies", "meclab", "mininet", "pyroute2", "topohub", "grpc", "finsy"},
    "controller": {"controller", "meclab", "pydantic", "os_ken", "grpc", "finsy"},
    "hosts": {
        *("hosts", "meclab", "pydantic", "starlette", "fastapi", "uvicorn", "uvloop", "httptools", "dnslib"),
        *("trustme", "jwt", "cryptography"),
    },
    "dataplane": {"dataplane", "meclab", "click", "grpc", "finsy", "google", "pyroute2"},
    "experiments": {
        *("experiments", "meclab", "topologies", "pydantic", "pydantic_core", "ruamel"),
        *("click", "rich", "jinja2", "matplotlib", "numpy"),
    },
}
SPEAKERS = {"os_ken": {"application", "openflow"}, "finsy": {"entries", "p4runtime", "reconciling"}}
"""The controller's files that talk to switches, by library; the others are pure, or speak HTTP."""
NO_INPUT_OUTPUT = {
    "asyncio",
    "multiprocessing",
    "os",
    "pathlib",
    "select",
    "selectors",
    "socket",
    "subprocess",
    "threading",
}
"""What the pure core does without."""


def imports(path: Path) -> set[str]:
    """The packages that a file imports, those inside functions included, without Python's own."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            found.add((node.module or "").partition(".")[0])
    return found


def files(room: str) -> list[Path]:
    return sorted((PROJECT / room).rglob("*.py"))


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_a_room_imports_what_it_may(room: str) -> None:
    assert files(room)
    for path in files(room):
        foreign = imports(path) - MAY_IMPORT[room] - set(sys.stdlib_module_names)
        assert not foreign, f"{path.relative_to(PROJECT)} imports {', '.join(sorted(foreign))}"


@pytest.mark.parametrize("library", SPEAKERS)
def test_a_switch_protocol_is_spoken_by_its_own_files_alone(library: str) -> None:
    """So that neither data plane's library is loaded for the other."""
    assert {path.stem for path in files("controller") if library in imports(path)} == SPEAKERS[library]


def test_networks_of_another_kind_load_no_grpc() -> None:
    assert {path.stem for path in files("topologies") if imports(path) & {"grpc", "finsy"}} == {"p4tables"}


def test_the_core_reads_no_file_and_opens_no_socket() -> None:
    for path in files("meclab"):
        assert not imports(path) & NO_INPUT_OUTPUT, path.name
