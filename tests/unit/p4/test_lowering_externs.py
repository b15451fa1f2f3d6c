"""v1model's externs in the lowered form, in both generations of its declarations."""

from lowered_text import lines
from lowering_programs import ingress, program

OBJECTS = """
counter(8, CounterType.packets) hits;
direct_counter(CounterType.bytes) own;
meter(8, MeterType.packets) rate;
direct_meter<bit<8>>(MeterType.bytes) pace;
register<bit<16>>(8) last;
action x() { own.count(); pace.read(m.a); }
table t { actions = { x; } counters = own; meters = pace; }
"""


def test_objects_are_read_and_written():
    found = program(
        locals=OBJECTS,
        apply="t.apply(); hits.count(3); rate.execute_meter(4, m.a); last.read(m.b, (bit<32>)m.a); "
        "last.write(1, m.b + 1);",
    )
    assert lines(found.ingress) == [
        "apply I.t",
        "count I.hits[3]",
        "metadata.a = I.rate[4]",
        "metadata.b = I.last[bit32(metadata.a)]",
        "I.last[1] = (metadata.b + 1)",
    ]
    assert lines(found.actions[0].body) == ["count I.own", "metadata.a = I.pace"]
    assert (found.registers[0].size, found.registers[0].type.width) == (8, 16)


def test_the_newer_declarations_have_a_type_of_index():
    found = program(
        defines={"V1MODEL_VERSION": "20200408"},
        locals="counter<bit<4>>(8, CounterType.packets) hits; register<bit<16>, bit<3>>(8) last;",
        apply="hits.count(3); last.read(m.b, 5); last.write(6, m.b); mark_to_drop(sm);",
    )
    assert lines(found.ingress) == ["count I.hits[3]", "metadata.b = I.last[5]", "I.last[6] = metadata.b", "drop"]


def test_checksums_are_over_lists_headers_and_payload():
    found = program(
        verify="verify_checksum(hdr.eth.isValid(), { hdr.eth.src, m.a }, hdr.eth.kind, HashAlgorithm.csum16);",
        compute="update_checksum_with_payload(true, { hdr.eth, { m.b } }, hdr.eth.kind, HashAlgorithm.crc16);",
    )
    assert lines(found.verify_checksum) == [
        "verify headers.eth.kind CSUM16 {headers.eth.src, metadata.a} if headers.eth.valid"
    ]
    assert lines(found.compute_checksum) == [
        "update headers.eth.kind CRC16 {headers.eth, metadata.b} and payload if true"
    ]


def test_hashes_and_random_numbers():
    text = """hash(m.b, HashAlgorithm.crc32, (bit<16>)2, { hdr.eth.src, ~m.a, 4w3 }, (bit<32>)10);
        hash(hdr.tags[0].number[3:0], HashAlgorithm.identity, 0, { m.a }, 16);
        random(m.a, 1, 6);"""
    assert lines(ingress(text)) == [
        "metadata.b = CRC32 {headers.eth.src, ~metadata.a, 3} from 2 below 10",
        "I_out = IDENTITY {metadata.a} from 0 below 16",
        "headers.tags[0].number[3:0] = I_out",
        "metadata.a = random 1 to 6",
    ]


def test_type_arguments_can_be_written():
    text = "hash<bit<16>, bit<8>, tuple<bit<8>, bit<4>>, bit<8>>(m.b, HashAlgorithm.crc16, 0, { m.a, 3 }, 10);"
    assert lines(ingress(text)) == ["metadata.b = CRC16 {metadata.a, 3} from 0 below 10"]


def test_a_digest_is_a_message_of_a_struct():
    found = program(
        top="struct learn_t { bit<48> mac; bit<9> port; }",
        apply="digest<learn_t>(1, { hdr.eth.src, sm.ingress_port }); digest<learn_t>(1, { mac = 1, port = 2 });",
    )
    assert [(each.name, each.type.name) for each in found.digests] == [("learn_t", "learn_t")]
    assert lines(found.ingress)[:3] == [
        "I_list.mac = headers.eth.src",
        "I_list.port = standard_metadata.ingress_port",
        "digest learn_t I_list",
    ]


def test_copies_keep_the_metadata_of_their_field_list():
    text = """clone_preserving_field_list(CloneType.I2E, 5, 1); resubmit_preserving_field_list(2);
        recirculate_preserving_field_list(3); clone(CloneType.E2E, 7);"""
    assert lines(ingress(text)) == [
        "clone ingress 5 {metadata.a, metadata.kept.x}",
        "resubmit {metadata.a, metadata.b}",
        "recirculate {}",
        "clone egress 7 {}",
    ]


def test_copies_of_the_older_declarations_keep_what_is_listed():
    text = "clone3(CloneType.E2E, 32w5, { m.kept.x, sm }); recirculate({ m.c }); resubmit({});"
    assert lines(ingress(text)) == [
        "clone egress 5 {metadata.kept.x, standard_metadata.ingress_port, standard_metadata.egress_spec, "
        "standard_metadata.mcast_grp, standard_metadata.checksum_error, standard_metadata.parser_error, "
        "standard_metadata.priority}",
        "recirculate {metadata.c}",
        "resubmit {}",
    ]


def test_dropping_works_on_standard_metadata_wherever_it_is():
    found = program(
        top="action discard(inout standard_metadata_t s) { mark_to_drop(s); }",
        apply="mark_to_drop(sm); mark_to_drop(); discard(sm); "
        "standard_metadata_t copy = sm; mark_to_drop(copy); truncate(64);",
    )
    assert lines(found.ingress) == [
        "drop",
        "drop",
        "call discard",
        "I_copy = standard_metadata",
        "I_copy.egress_spec = 511",
        "I_copy.mcast_grp = 0",
        "truncate 64",
    ]


def test_stacks_are_pushed_and_popped_and_emitted():
    found = program(
        apply="hdr.tags.push_front(2); hdr.tags[0].setValid(); hdr.tags.pop_front(1); hdr.tags[m.a].setInvalid(); "
        "m.a = (bit<8>)hdr.tags.size + (bit<8>)hdr.eth.minSizeInBytes();",
        deparser="packet.emit(hdr.tags); packet.emit(hdr.tags[1]); packet.emit({ hdr.eth, hdr.inner }); "
        "packet.emit(hdr);",
    )
    assert lines(found.ingress) == [
        "push headers.tags 2",
        "headers.tags[0].valid = True",
        "push headers.tags -1",
        "headers.tags[metadata.a].valid = False",
        "metadata.a = 17",
    ]
    assert lines(found.deparser) == [
        "emit headers.tags",
        "emit headers.tags[1]",
        "emit headers.eth",
        "emit headers.inner",
        "emit headers",
    ]


def test_logging_does_nothing():
    assert ingress('log_msg("seen"); log_msg("seen {}", { m.a });') == ()


def test_a_static_assertion_is_checked_at_once():
    assert ingress("static_assert(1 + 1 == 2);") == ()


def test_headers_for_the_controller_are_listed():
    found = program(top='@controller_header("packet_in") header in_t { bit<16> port; }')
    assert [(each.name, each.annotations["controller_header"]) for each in found.controller_headers] == [
        ("in_t", "packet_in")
    ]
