// What leaves may be cut, and lengths and hashes are to be seen in it.

#include <core.p4>
#include <v1model.p4>
#include "common/headers.p4"
#include "common/empty.p4"

header sums_t {
    bit<32> length;
    bit<16> crc16;
    bit<32> crc32;
    bit<16> csum16;
    bit<16> xor16;
    bit<64> identity;
    bit<8>  within;
    bit<8>  random;
}

struct headers {
    ethernet_t ethernet;
    sums_t     sums;
}

struct metadata { }

parser MyParser(packet_in packet, out headers hdr, inout metadata meta, inout standard_metadata_t standard_metadata) {
    state start {
        packet.extract(hdr.ethernet);
        transition accept;
    }
}

NO_VERIFY(headers, metadata)

#define SUMMED { hdr.ethernet.dst, 3w5, hdr.ethernet.src[44:0], hdr.ethernet.type[7:0] }

control MyIngress(inout headers hdr, inout metadata meta, inout standard_metadata_t standard_metadata) {
    apply {
        standard_metadata.egress_spec = 2;
        hdr.sums.setValid();
        hdr.sums.length = standard_metadata.packet_length;
        hash(hdr.sums.crc16, HashAlgorithm.crc16, 16w0, SUMMED, 32w0x10000);
        hash(hdr.sums.crc32, HashAlgorithm.crc32, 32w0, SUMMED, 33w0x100000000);
        hash(hdr.sums.csum16, HashAlgorithm.csum16, 16w0, SUMMED, 32w0x10000);
        hash(hdr.sums.xor16, HashAlgorithm.xor16, 16w0, SUMMED, 32w0x10000);
        hash(hdr.sums.identity, HashAlgorithm.identity, 64w0, SUMMED, 64w0xffffffffffffffff);
        hash(hdr.sums.within, HashAlgorithm.crc16, 8w200, SUMMED, 16w50);
        bit<8> number;
        random(number, 8w7, 8w7);
        hdr.sums.random = number;
        random(number, 8w10, 8w20);
        if (number < 10 || number > 20) {
            hdr.sums.random = number;
        }
        if (hdr.ethernet.type[15:8] != 0) {
            truncate((bit<32>) hdr.ethernet.type[15:8]);
        }
    }
}

NO_EGRESS(headers, metadata)
NO_COMPUTE(headers, metadata)

control MyDeparser(packet_out packet, in headers hdr) {
    apply {
        packet.emit(hdr.ethernet);
        packet.emit(hdr.sums);
    }
}

V1Switch(MyParser(), NoVerify(), MyIngress(), NoEgress(), NoCompute(), MyDeparser()) main;
