"""Scenario files: those that come with the lab, the command line's changes, sweeps; and what is said of bad ones.

A folder of bad files has the exact message for each beside it (`NAME.expected`, with FILE for the path). After a
change of wording, `PYTHONPATH=. python tests/unit/test_scenario_file.py` writes them anew; read them before a commit.
"""

import json
import re
from pathlib import Path

import pytest

from experiments import scenario_file
from meclab.errors import ScenarioError
from meclab.methods import Method
from meclab.model import MILLISECOND, SECOND
from meclab.planning import make

BAD = Path(__file__).parents[1] / "scenarios_bad"


def message(path: Path) -> str:
    """What is said of a bad file."""
    with pytest.raises(ScenarioError) as caught:
        scenario_file.load(str(path))
    assert caught.value.exit_status == 2
    return str(caught.value).replace(str(path), "FILE") + "\n"


def refused(*texts: str) -> str:
    """What is said of changes to the handover scenario."""
    with pytest.raises(ScenarioError) as caught:
        scenario_file.load("handover", scenario_file.overrides(texts))
    return str(caught.value)


def written(folder: Path, text: str) -> str:
    path = folder / "a.yaml"
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize("path", sorted(BAD.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_bad_file_is_refused_in_these_words(path: Path) -> None:
    assert message(path) == path.with_suffix(".expected").read_text()


def test_every_expected_message_has_its_file() -> None:
    assert {path.stem for path in BAD.glob("*.expected")} == {path.stem for path in BAD.glob("*.yaml")}


def test_a_missing_file_is_named() -> None:
    with pytest.raises(
        ScenarioError, match=r"scenario: found 'tests/nothing\.yaml'; expected a file, or one of .*handover"
    ):
        scenario_file.load("tests/nothing.yaml")


def test_an_unknown_scenario_gets_the_nearest_name() -> None:
    with pytest.raises(ScenarioError, match=r"found 'hanover'; .* did you mean handover\?"):
        scenario_file.load("hanover")


def test_an_unknown_method_on_the_command_line_gets_the_nearest_name() -> None:
    with pytest.raises(ScenarioError, match=r"--method: found 'vip:pined'; .* did you mean vip:pinned\?"):
        scenario_file.method("vip:pined")


@pytest.mark.parametrize("name", scenario_file.names())
def test_a_scenario_of_the_lab_loads_and_has_a_plan_for_each_method(name: str) -> None:
    for scenario in scenario_file.load(name):
        assert scenario.scenario == name
        assert scenario.summary
        assert scenario.expect or scenario.topology.kind == "facility"
        for method in scenario.methods:
            assert make(scenario, scenario_file.graph(scenario), method, "wire").events or not scenario.events


def test_there_is_a_scenario_for_every_kind_of_topology() -> None:
    kinds = {scenario_file.load(name)[0].topology.kind.partition(":")[0] for name in scenario_file.names()}
    assert kinds == {"two-site", "metro", "facility", "topohub"}


def test_the_schema_for_editors_is_up_to_date() -> None:
    """If not: `PYTHONPATH=. python tests/unit/test_scenario_file.py` writes it."""
    assert json.loads((scenario_file.FOLDER / "schema.json").read_text()) == scenario_file.schema()


def test_the_document_names_every_key_and_every_scenario() -> None:
    quoted = " ".join(re.findall(r"`([^`\n]+)`", (BAD.parents[1] / "docs" / "scenario.md").read_text()))
    schema = scenario_file.schema()
    keys = {key for part in (schema, *schema["$defs"].values()) for key in part.get("properties", {})}
    assert {key for key in keys | set(scenario_file.names()) if not re.search(rf"\b{key}\b", quoted)} == set()


@pytest.mark.parametrize("name", scenario_file.names())
def test_a_scenario_written_out_reads_back_the_same(name: str, tmp_path: Path) -> None:
    for scenario in scenario_file.load(name):
        single = scenario.model_copy(update={"sweep": {}})
        assert scenario_file.load(written(tmp_path, scenario_file.dump(single))) == [single]


def test_changes_replace_what_the_file_says() -> None:
    changes = scenario_file.overrides(["radio.interruption=100ms", "devices.0.ap=ap2", "methods=[cloud, 'vip:pinned']"])
    (scenario,) = scenario_file.load("handover", changes)
    assert scenario.radio.interruption == 100 * MILLISECOND
    assert scenario.radio.delay == 2 * MILLISECOND
    assert scenario.devices[0].ap == "ap2"
    assert scenario.methods == (Method(name="cloud"), Method(name="vip", variant="pinned"))


def test_a_change_may_add_a_part_that_the_file_does_not_have() -> None:
    (scenario,) = scenario_file.load("handover", scenario_file.overrides(["policy.pins.ue1=mec2"]))
    assert scenario.policy.pins == {"ue1": "mec2"}


def test_a_bad_change_is_told_as_the_command_line_s_and_not_the_file_s() -> None:
    wanted = "expected a number of at least 0 with a unit (ns, us, µs, ms, s, min), such as 30ms"
    assert refused("radio.interruption=100") == f"--set radio.interruption: found 100; {wanted}"
    assert refused("policy.dwell=1") == f"--set policy.dwell: found 1; {wanted}"
    assert refused("a.b=3").startswith("--set a: found the unknown key 'a'")


def test_a_change_that_leads_nowhere_is_refused() -> None:
    assert refused("devices.4.ap=ap1") == "--set devices.4.ap: found no item 4; expected a number from 0 to 0"
    assert (
        refused("radio.delay.x=2")
        == "--set radio.delay.x: found x inside a plain value; expected the path of a parameter"
    )


@pytest.mark.parametrize("text", ["radio.delay", "=2ms"])
def test_a_change_without_a_path_or_a_value_is_refused(text: str) -> None:
    assert refused(text) == f"--set: found {text!r}; expected PATH=VALUE, such as radio.interruption=100ms"


def test_a_change_whose_value_is_no_yaml_is_refused() -> None:
    assert refused("radio.delay=[") == "--set radio.delay: found '['; expected a value as in a YAML file"


def test_problems_of_command_line_and_file_come_together(tmp_path: Path) -> None:
    path = written(tmp_path, "scenario: a\nprobe: {}\n")
    with pytest.raises(ScenarioError) as caught:
        scenario_file.load(path, {"radio.loss": 2})
    first, second = str(caught.value).splitlines()
    assert first.startswith("--set radio.loss: found 2")
    assert second.startswith(f"{path}:2:1: probe: found the unknown key")


def test_a_sweep_gives_every_combination_in_the_order_of_the_file(tmp_path: Path) -> None:
    path = written(tmp_path, "scenario: a\nsweep:\n  radio.interruption: [0, 50ms]\n  policy.dwell: [1s, 2s, 3s]\n")
    found = [(s.radio.interruption, s.policy.dwell) for s in scenario_file.load(path)]
    assert found == [(gap * MILLISECOND, dwell * SECOND) for gap in (0, 50) for dwell in (1, 2, 3)]


def test_a_sweep_reaches_into_lists(tmp_path: Path) -> None:
    path = written(tmp_path, "scenario: a\ndevices: [{name: ue1}]\nsweep: {devices.0.ap: [ap1, ap2]}\n")
    assert [s.devices[0].ap for s in scenario_file.load(path)] == ["ap1", "ap2"]


def test_an_empty_sweep_is_one_run(tmp_path: Path) -> None:
    assert len(scenario_file.load(written(tmp_path, "scenario: a\nsweep:\n"))) == 1


if __name__ == "__main__":
    for bad in sorted(BAD.glob("*.yaml")):
        bad.with_suffix(".expected").write_text(message(bad))
    (scenario_file.FOLDER / "schema.json").write_text(json.dumps(scenario_file.schema(), indent=1) + "\n")
