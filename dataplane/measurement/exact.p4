/* One exact table with room for a hundred thousand entries, to be filled. */

#include <core.p4>
#include <v1model.p4>

header frame_t {
    bit<48> destination;
    bit<48> source;
    bit<16> ether_type;
}

struct headers_t {
    frame_t frame;
}

struct metadata_t { }

parser FrameParser(packet_in packet, out headers_t hdr, inout metadata_t meta, inout standard_metadata_t standard) {
    state start {
        packet.extract(hdr.frame);
        transition accept;
    }
}

control Unchecked(inout headers_t hdr, inout metadata_t meta) {
    apply { }
}

control Stations(inout headers_t hdr, inout metadata_t meta, inout standard_metadata_t standard) {
    action output(bit<9> port) {
        standard.egress_spec = port;
    }

    action drop() {
        mark_to_drop(standard);
    }

    table stations {
        key = { hdr.frame.destination: exact; }
        actions = { output; drop; }
        default_action = drop();
        size = 131072;
    }

    apply {
        stations.apply();
    }
}

control Idle(inout headers_t hdr, inout metadata_t meta, inout standard_metadata_t standard) {
    apply { }
}

control FrameDeparser(packet_out packet, in headers_t hdr) {
    apply {
        packet.emit(hdr.frame);
    }
}

V1Switch(FrameParser(), Unchecked(), Stations(), Idle(), Unchecked(), FrameDeparser()) main;
