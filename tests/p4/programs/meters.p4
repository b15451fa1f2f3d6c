// Rates: an indirect meter by port, a direct one by address; what is red goes no further.

#include <core.p4>
#include <v1model.p4>
#include "common/headers.p4"
#include "common/empty.p4"

struct headers {
    ethernet_t ethernet;
}

struct metadata {
    bit<2> by_port;
    bit<2> by_address;
}

parser MyParser(packet_in packet, out headers hdr, inout metadata meta, inout standard_metadata_t standard_metadata) {
    state start {
        packet.extract(hdr.ethernet);
        transition accept;
    }
}

NO_VERIFY(headers, metadata)

control MyIngress(inout headers hdr, inout metadata meta, inout standard_metadata_t standard_metadata) {
    meter(16, MeterType.packets) port_rate;
    direct_meter<bit<2>>(MeterType.bytes) address_rate;

    action known() {
        address_rate.read(meta.by_address);
    }

    action unknown() {
        meta.by_address = 3;
    }

    table addresses {
        key = { hdr.ethernet.src: exact; }
        actions = { known; unknown; }
        default_action = unknown();
        meters = address_rate;
        size = 64;
    }

    apply {
        standard_metadata.egress_spec = 2;
        port_rate.execute_meter((bit<32>) standard_metadata.ingress_port, meta.by_port);
        addresses.apply();
        if (meta.by_port == V1MODEL_METER_COLOR_RED) {
            mark_to_drop(standard_metadata);
        }
        hdr.ethernet.type = 12w0xabc ++ meta.by_port ++ meta.by_address;
    }
}

NO_EGRESS(headers, metadata)
NO_COMPUTE(headers, metadata)

control MyDeparser(packet_out packet, in headers hdr) {
    apply {
        packet.emit(hdr.ethernet);
    }
}

V1Switch(MyParser(), NoVerify(), MyIngress(), NoEgress(), NoCompute(), MyDeparser()) main;
