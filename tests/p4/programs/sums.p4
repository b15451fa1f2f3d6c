// A checksum over header and payload, of each copy: the copies have headers of different lengths.

#include <core.p4>
#include <v1model.p4>
#include "common/headers.p4"
#include "common/empty.p4"

header sum_t {
    bit<16> sum;
}

header tag_t {
    bit<8> copy;
    bit<8> port;
    bit<8> odd;
}

struct headers {
    ethernet_t ethernet;
    tag_t      tag;
    sum_t      sum;
}

struct metadata { }

parser MyParser(packet_in packet, out headers hdr, inout metadata meta, inout standard_metadata_t standard_metadata) {
    state start {
        packet.extract(hdr.ethernet);
        transition accept;
    }
}

NO_VERIFY(headers, metadata)

control MyIngress(inout headers hdr, inout metadata meta, inout standard_metadata_t standard_metadata) {
    apply {
        standard_metadata.mcast_grp = 1;
    }
}

control MyEgress(inout headers hdr, inout metadata meta, inout standard_metadata_t standard_metadata) {
    apply {
        hdr.sum.setValid();
        hdr.sum.sum = 0;
        if (standard_metadata.egress_port == 3) {
            hdr.tag.setValid();
            hdr.tag.copy = 7;
            hdr.tag.port = 3;
            hdr.tag.odd = 1;
        }
    }
}

control MyCompute(inout headers hdr, inout metadata meta) {
    apply {
        update_checksum_with_payload(hdr.tag.isValid(), { hdr.tag, hdr.ethernet.type }, hdr.sum.sum,
                                     HashAlgorithm.csum16);
        update_checksum_with_payload(!hdr.tag.isValid(), { hdr.ethernet.type }, hdr.sum.sum, HashAlgorithm.csum16);
    }
}

control MyDeparser(packet_out packet, in headers hdr) {
    apply {
        packet.emit(hdr.ethernet);
        packet.emit(hdr.tag);
        packet.emit(hdr.sum);
    }
}

V1Switch(MyParser(), NoVerify(), MyIngress(), MyEgress(), MyCompute(), MyDeparser()) main;
