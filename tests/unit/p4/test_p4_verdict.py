"""The verifier's refusals, and clang's: at the place of the P4 source."""

import pytest

from dataplane.compiler.clang import compile_c, origin_of
from dataplane.compiler.errors import CompileError, Position
from dataplane.target.bpf import RefusedError
from dataplane.target.verdict import explain

C = """#include "runtime.h"
static int helper(int x)
{
	return x;
}
int action(int x)
{
// p4/main.p4:12
	x += 1;
// p4/parser.p4:30
	x += 2;
	return x;
}
int other(int x)
{
	x += 2;
	return x;
}
"""

NEW = """0: R1=ctx() R10=fp0
; x += 1; @ prog.c:9
5: (07) r1 += 1                       ; R1=scalar()
; x += 2; @ prog.c:11
; return x; @ runtime.h:33
6: (63) *(u32 *)(r1 +0) = r2
R1 invalid mem access 'scalar'
processed 7 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0
"""
OLD = "\n".join(line.split(" @ ")[0] for line in NEW.replace("x += 2;", "x += 3;").splitlines())


def test_a_line_of_c_comes_from_the_comment_before_it_in_its_function():
    assert origin_of(C, 9) == Position("p4/main.p4", 12, 1)
    assert origin_of(C, 12) == Position("p4/parser.p4", 30, 1)
    assert origin_of(C, 4) is None and origin_of(C, 16) is None


def test_the_last_cited_line_of_the_program_tells_the_place():
    error = explain(RefusedError("refused", NEW), C, "prog")
    assert isinstance(error, CompileError)
    assert (
        str(error) == "p4/parser.p4:30:1: the kernel refuses what this becomes for eBPF: R1 invalid mem access 'scalar'"
    )


def test_where_the_kernel_cites_text_alone_it_is_looked_for():
    error = explain(RefusedError("refused", OLD), C.replace("x += 2;", "x += 3;", 1), "prog")
    assert str(error).startswith("p4/parser.p4:30:1: ")


def test_a_text_that_stands_at_several_places_is_no_place():
    log = "; x += 2;\n6: (63) *(u32 *)(r1 +0) = r2\nBPF program is too large. Processed 1000001 insn\n"
    error = explain(RefusedError("refused", log), C, "prog")
    assert isinstance(error, RefusedError)
    assert (
        str(error)
        == "prog: the kernel refuses what this becomes for eBPF: BPF program is too large. Processed 1000001 insn"
    )


def test_without_a_reason_the_refusal_stays_as_it_is():
    error = RefusedError("prog: not permitted", "")
    assert explain(error, C, "prog") is error


def test_what_clang_refuses_is_at_its_place_in_the_p4_source():
    with pytest.raises(CompileError, match=r"p4/main\.p4:12:1: clang refuses what this becomes for eBPF: .*nonsense"):
        compile_c(C.replace("x += 1;", "nonsense;"), "prog.c")
