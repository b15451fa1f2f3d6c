/* A switch with one of everything that a controller can reach, for tests of the target. */

#include <core.p4>
#include <v1model.p4>

const bit<9> CPU_PORT = 510;

header ethernet_t {
    bit<48> dst;
    bit<48> src;
    bit<16> type;
}

/* The payload that steers a test: what to do with the packet, and values for keys. */
header order_t {
    bit<8>  what;
    bit<8>  tos;
    bit<16> index;
    bit<32> source;
    bit<32> destination;
}

@controller_header("packet_in")
header packet_in_t {
    bit<9> ingress_port;
    bit<7> _pad;
}

@controller_header("packet_out")
header packet_out_t {
    bit<9> egress_port;
    bit<7> _pad;
}

struct headers_t {
    packet_out_t packet_out;
    packet_in_t  packet_in;
    ethernet_t   ethernet;
    order_t      order;
}

struct metadata_t {
    bit<2> colour;
}

struct learned_t {
    bit<48> address;
    bit<9>  port;
}

const bit<8> FORWARD = 0;   /* by exact MAC address */
const bit<8> CHOOSE = 1;    /* by ternary rules */
const bit<8> GROUP = 2;     /* to multicast group `index` */
const bit<8> CLONE = 3;     /* to port 2, and a clone to session `index` */
const bit<8> PUNT = 4;      /* to the controller */
const bit<8> LEARN = 5;     /* as FORWARD, and a digest */
const bit<8> METER = 6;     /* to port 2 if green, 3 if yellow, dropped if red */
const bit<8> REGISTER = 7;  /* to the port that the register says */
const bit<8> SPREAD = 8;    /* by an action selector over `source` */
const bit<8> ROUTE = 9;     /* by longest prefix of `destination` */

parser LiveParser(packet_in packet, out headers_t hdr, inout metadata_t meta, inout standard_metadata_t standard) {
    state start {
        transition select(standard.ingress_port) {
            CPU_PORT: parse_packet_out;
            default: parse_ethernet;
        }
    }
    state parse_packet_out {
        packet.extract(hdr.packet_out);
        transition parse_ethernet;
    }
    state parse_ethernet {
        packet.extract(hdr.ethernet);
        transition select(hdr.ethernet.type) {
            0x1234: parse_order;
            default: accept;
        }
    }
    state parse_order {
        packet.extract(hdr.order);
        transition accept;
    }
}

control NoVerify(inout headers_t hdr, inout metadata_t meta) { apply { } }

control LiveIngress(inout headers_t hdr, inout metadata_t meta, inout standard_metadata_t standard) {
    direct_counter(CounterType.packets_and_bytes) hits;
    direct_meter<bit<2>>(MeterType.packets) rate;
    counter(4, CounterType.packets) seen;
    meter(4, MeterType.packets) limit;
    register<bit<9>>(8) wanted;
    action_selector(HashAlgorithm.crc16, 32, 14) selector;

    action drop() {
        mark_to_drop(standard);
    }
    action send(bit<9> port) {
        standard.egress_spec = port;
    }
    action counted(bit<9> port) {
        standard.egress_spec = port;
        hits.count();
    }
    action stamped(bit<9> port, bit<48> address) {
        standard.egress_spec = port;
        hdr.ethernet.dst = address;
    }

    table hosts {
        key = { hdr.ethernet.dst: exact; }
        actions = { counted; drop; }
        default_action = drop();
        counters = hits;
        support_timeout = true;
        size = 100000;
    }

    table rules {
        key = {
            hdr.order.source: ternary;
            hdr.order.destination: lpm;
            hdr.order.tos: range;
            hdr.order.index: optional;
        }
        actions = { send; stamped; drop; }
        default_action = drop();
        size = 1024;
    }

    table routes {
        key = {
            hdr.order.destination: lpm;
        }
        actions = { send; drop; }
        default_action = drop();
        meters = rate;
        size = 1024;
    }

    table spread {
        key = {
            hdr.order.index: exact;
            hdr.order.source: selector;
        }
        actions = { send; drop; }
        implementation = selector;
        size = 16;
    }

    apply {
        seen.count((bit<32>)standard.ingress_port);
        if (hdr.packet_out.isValid()) {
            standard.egress_spec = hdr.packet_out.egress_port;
            hdr.packet_out.setInvalid();
        } else if (!hdr.order.isValid() || hdr.order.what == FORWARD) {
            hosts.apply();
        } else if (hdr.order.what == CHOOSE) {
            rules.apply();
        } else if (hdr.order.what == GROUP) {
            standard.mcast_grp = hdr.order.index;
        } else if (hdr.order.what == CLONE) {
            clone(CloneType.I2E, (bit<32>)hdr.order.index);
            standard.egress_spec = 2;
        } else if (hdr.order.what == PUNT) {
            standard.egress_spec = CPU_PORT;
        } else if (hdr.order.what == LEARN) {
            digest<learned_t>(1, { hdr.ethernet.src, standard.ingress_port });
            hosts.apply();
        } else if (hdr.order.what == METER) {
            limit.execute_meter((bit<32>)hdr.order.index, meta.colour);
            if (meta.colour == 0) {
                standard.egress_spec = 2;
            } else if (meta.colour == 1) {
                standard.egress_spec = 3;
            } else {
                mark_to_drop(standard);
            }
        } else if (hdr.order.what == REGISTER) {
            bit<9> port;
            wanted.read(port, (bit<32>)hdr.order.index);
            standard.egress_spec = port;
            wanted.write(7, standard.ingress_port);
        } else if (hdr.order.what == SPREAD) {
            spread.apply();
        } else if (hdr.order.what == ROUTE) {
            routes.apply();
            rate.read(meta.colour);
            if (meta.colour == 2) {
                mark_to_drop(standard);
            }
        } else {
            mark_to_drop(standard);
        }
    }
}

control LiveEgress(inout headers_t hdr, inout metadata_t meta, inout standard_metadata_t standard) {
    apply {
        if (standard.egress_port == CPU_PORT) {
            hdr.packet_in.setValid();
            hdr.packet_in.ingress_port = standard.ingress_port;
            hdr.packet_in._pad = 0;
        }
    }
}

control NoUpdate(inout headers_t hdr, inout metadata_t meta) { apply { } }

control LiveDeparser(packet_out packet, in headers_t hdr) {
    apply {
        packet.emit(hdr.packet_in);
        packet.emit(hdr.ethernet);
        packet.emit(hdr.order);
    }
}

V1Switch(LiveParser(), NoVerify(), LiveIngress(), LiveEgress(), NoUpdate(), LiveDeparser()) main;
