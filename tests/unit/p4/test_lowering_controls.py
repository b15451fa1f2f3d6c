"""Controls, actions and functions in the lowered form: parameters, names, branches."""

from lowered_text import lines
from lowering_programs import ingress, program


def function(found, name):
    """The lines of a function."""
    return next(lines(each.body) for each in found.functions if each.name == name)


def action(found, name):
    """The lines of an action."""
    return next(lines(each.body) for each in found.actions if each.name == name)


def test_numbers_are_copied_in_and_out_of_a_function():
    found = program(
        top="void swap(inout bit<8> x, in bit<8> y) { x = y; }", apply="swap(m.a, 3); swap(m.wide[7:0], m.a);"
    )
    assert lines(found.ingress) == [
        "swap_x = metadata.a",
        "swap_y = 3",
        "call swap",
        "metadata.a = swap_x",
        "swap_x = metadata.wide[7:0]",
        "swap_y = metadata.a",
        "call swap",
        "metadata.wide[7:0] = swap_x",
    ]
    assert function(found, "swap") == ["swap_x = swap_y"]


def test_a_struct_parameter_stands_for_the_place_itself():
    found = program(top="void mark(inout headers h) { h.eth.kind = 1; }", apply="mark(hdr);")
    assert lines(found.ingress) == ["call mark"]
    assert function(found, "mark") == ["headers.eth.kind = 1"]


def test_arguments_that_overlap_are_copied():
    top = "void mix(inout headers h, inout eth_t e) { h.eth.kind = 1; e.kind = 2; }"
    assert lines(ingress("mix(hdr, hdr.eth);", top=top)) == [
        "mix_h = headers",
        "mix_e = headers.eth",
        "call mix",
        "headers = mix_h",
        "headers.eth = mix_e",
    ]


def test_headers_of_an_out_parameter_are_invalid_at_first():
    found = program(top="void make(out eth_t e) { e.kind = 1; }", apply="make(hdr.eth);")
    assert lines(found.ingress) == ["headers.eth.valid = False", "call make"]


def test_a_computed_index_of_an_out_argument_is_taken_before_the_call():
    top = "void take(out bit<15> n) { n = 1; }"
    assert lines(ingress("take(hdr.tags[m.a].number);", top=top)) == [
        "I_index = metadata.a",
        "call take",
        "headers.tags[I_index].number = take_n",
    ]


def test_arguments_have_names_and_parameters_defaults():
    top = "bit<8> add(in bit<8> x, in bit<8> y = 4) { return x + y; }"
    assert lines(ingress("m.a = add(y = 1, x = 2) + add(m.a);", top=top)) == [
        "add_x = 2",
        "add_y = 1",
        "call add",
        "I_result = add_result",
        "add_x = metadata.a",
        "add_y = 4",
        "call add",
        "I_result_2 = add_result",
        "metadata.a = (I_result + I_result_2)",
    ]


def test_an_action_calls_another_with_what_the_control_plane_gave_it():
    found = program(
        locals="""action set(inout bit<8> x, bit<8> y) { x = y; if (y == 0) { return; } x = 1; }
        action both(bit<8> data) { set(m.a, data); }
        table t { actions = { both; } default_action = both(3); }""",
        apply="t.apply();",
    )
    (both,) = found.actions
    assert (both.name, both.parameter_names) == ("I.both", ("data",))
    assert lines(both.body) == [
        "I_set_x = metadata.a",
        "I_set_y = I_both_data",
        "call I_set",
        "metadata.a = I_set_x",
    ]
    assert function(found, "I_set") == ["I_set_x = I_set_y", "if (I_set_y == 0)", "  return", "I_set_x = 1"]


def test_an_exit_in_an_action_waits_until_its_parameters_are_copied_out():
    found = program(locals="action set(inout bit<8> x) { x = 1; exit; }", apply="set(m.a); m.b = 2;")
    assert lines(found.ingress) == [
        "I_set_x = metadata.a",
        "I_set_exited = false",
        "call I_set",
        "metadata.a = I_set_x",
        "if I_set_exited",
        "  exit",
        "metadata.b = 2",
    ]
    assert function(found, "I_set") == ["I_set_x = 1", "I_set_exited = true", "return"]


def test_directional_arguments_of_a_table_s_action_are_copied_around_it():
    found = program(
        locals="""action set(inout bit<8> x, in bit<16> y, bit<8> z) { x = z; }
        table t { actions = { set(m.a, m.b); } default_action = set(m.a, m.b, 3); }""",
        apply="t.apply();",
    )
    (bound,) = found.tables[0].actions
    assert lines(bound.before) == ["I_set_x = metadata.a", "I_set_y = metadata.b"]
    assert lines(bound.after) == ["metadata.a = I_set_x"]
    assert bound.action.parameter_names == ("z",)
    assert found.tables[0].default.arguments == (3,)


LIMITER = """
control Limiter(inout headers h, in bit<8> limit, out bool over)(bit<8> extra) {
    action set(bit<8> v) { over = v + extra > limit; }
    table t { key = { h.eth.dst: exact; } actions = { set; NoAction; } }
    apply { over = false; t.apply(); }
}
"""


def test_each_instance_of_a_control_has_tables_and_constants_of_its_own():
    found = program(
        top=LIMITER, locals="Limiter(1) one; Limiter(2) two;", apply="one.apply(hdr, 5, m.c); two.apply(hdr, m.a, m.c);"
    )
    assert [table.name for table in found.tables] == ["I.one.t", "I.two.t"]
    assert lines(found.ingress) == ["I_one_limit = 5", "call I_one", "call I_two"]
    assert function(found, "I_one") == ["metadata.c = false", "apply I.one.t"]
    assert action(found, "I.one.set") == ["metadata.c = ((I_one_set_v + 1) > I_one_limit)"]
    assert action(found, "I.two.set") == ["metadata.c = ((I_two_set_v + 2) > metadata.a)"]


def test_an_instance_applied_to_different_places_copies():
    found = program(
        top="control Bump(inout bit<16> x) { apply { x = x + 1; } }",
        locals="Bump() bump;",
        apply="bump.apply(hdr.eth.kind); bump.apply(m.b);",
    )
    assert lines(found.ingress) == [
        "I_bump_x = headers.eth.kind",
        "call I_bump",
        "headers.eth.kind = I_bump_x",
        "I_bump_x = metadata.b",
        "call I_bump",
        "metadata.b = I_bump_x",
    ]


def test_a_control_can_be_applied_by_its_type():
    found = program(
        top="control Bump(inout meta m) { table t { actions = { NoAction; } } apply { t.apply(); } }",
        apply="Bump.apply(m);",
    )
    assert [table.name for table in found.tables] == ["I.Bump.t"]
    assert lines(found.ingress) == ["call I_Bump"]


def test_a_switch_takes_the_action_that_ran():
    found = program(
        locals="""action x() {} action y() {} action z() {}
        table t { actions = { x; y; z; } default_action = x(); }""",
        apply="switch (t.apply().action_run) { x: { m.a = 1; } y: z: { m.a = 2; } default: { m.a = 3; } }",
    )
    assert lines(found.ingress) == [
        "apply I.t run=I_action_run",
        "switch I_action_run",
        "case 0",
        "  metadata.a = 1",
        "case 1, 2",
        "  metadata.a = 2",
        "default",
        "  metadata.a = 3",
    ]
    assert [each.name for each in found.actions] == ["I.x", "I.y", "I.z"]


def test_a_switch_takes_values():
    assert lines(ingress("switch (m.a) { 1: 2: { m.b = 1; } 3: default: { m.b = 2; } }")) == [
        "switch metadata.a",
        "case 1, 2",
        "  metadata.b = 1",
        "default",
        "  metadata.b = 2",
    ]


def test_miss_is_the_opposite_of_hit():
    locals_ = "table t { actions = { NoAction; } }"
    assert lines(ingress("m.c = t.apply().miss;", locals=locals_)) == ["apply I.t hit=I_hit", "metadata.c = !I_hit"]


def test_exit_and_return_end_what_they_stand_in():
    assert lines(ingress("if (m.c) { exit; } return;")) == ["if metadata.c", "  exit", "return"]


def test_names_of_the_control_plane_can_be_given():
    found = program(
        locals="""@name("renamed") action x(@name("port") bit<9> p) {} @name(".absolute") action y() {}
        @name("second") table t { key = { m.a: exact @name("a key"); } actions = { x; @tableonly y; NoAction; } }
        @name("counted") counter(4, CounterType.bytes) c;""",
        apply="t.apply(); c.count(1);",
    )
    (table,) = found.tables
    assert table.name == "I.second"
    assert table.keys[0].name == "a key"
    assert [each.action.name for each in table.actions] == ["I.renamed", "absolute", "NoAction"]
    assert table.actions[1].annotations == {"tableonly": ""}
    assert table.actions[0].action.parameter_names == ("port",)
    assert [(each.name, each.unit) for each in found.counters] == [("I.counted", "bytes")]
