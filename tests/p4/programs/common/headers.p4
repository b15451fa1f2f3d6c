// Headers that most of these programs share.

#ifndef HEADERS_P4
#define HEADERS_P4

typedef bit<48> mac_t;
typedef bit<32> ipv4_address_t;
typedef bit<9>  port_t;

const bit<16> ETHERTYPE_IPV4 = 0x0800;
const bit<8>  PROTOCOL_TCP   = 6;
const bit<8>  PROTOCOL_UDP   = 17;

header ethernet_t {
    mac_t   dst;
    mac_t   src;
    bit<16> type;
}

header ipv4_t {
    bit<4>         version;
    bit<4>         ihl;
    bit<6>         dscp;
    bit<2>         ecn;
    bit<16>        length;
    bit<16>        identification;
    bit<3>         flags;
    bit<13>        offset;
    bit<8>         ttl;
    bit<8>         protocol;
    bit<16>        checksum;
    ipv4_address_t src;
    ipv4_address_t dst;
}

header tcp_t {
    bit<16> sport;
    bit<16> dport;
    bit<32> sequence;
    bit<32> acknowledgement;
    bit<4>  data_offset;
    bit<6>  reserved;
    bit<1>  urg;
    bit<1>  ack;
    bit<1>  psh;
    bit<1>  rst;
    bit<1>  syn;
    bit<1>  fin;
    bit<16> window;
    bit<16> checksum;
    bit<16> urgent;
}

header udp_t {
    bit<16> sport;
    bit<16> dport;
    bit<16> length;
    bit<16> checksum;
}

// What the checksum of an IPv4 header covers.
#define IPV4_SUMMED(h) { h.version, h.ihl, h.dscp, h.ecn, h.length, h.identification, h.flags, h.offset, h.ttl, \
                         h.protocol, h.src, h.dst }

#endif
