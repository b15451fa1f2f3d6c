/* One switch of the lab: access point, edge or core, told apart by its entries alone.
 *
 * The network is one distributed router with one gateway address and one gateway MAC everywhere. What an edge or the
 * core decides, stage by stage, the controller's rules (controller/rules.py) say in the same order:
 *
 *   intercept   ARP and ND for the gateway are answered, packets for it routed, others in transit forwarded
 *   steer       the virtual address: pinned connections, first segments, then the device's serving host
 *   route       local breakout, else to the anchor; at the anchor every host
 *   devices     which device's MAC belongs to the destination address
 *   forward     out of which port the destination MAC is
 *
 * An access point joins two ports and looks at nothing else. A packet may leave by the port that it came in by: what
 * is on its way to a device that has just moved turns round. Every switch that routes or forwards takes one off the
 * TTL, so that what two switches send to and fro ends.
 */

#include <core.p4>
#include <v1model.p4>

#include "headers.p4"
#include "parser.p4"
#include "checksum.p4"

#define ENTRIES 4096
#define CONNECTIONS 16384

control EdgeIngress(inout headers_t hdr, inout metadata_t meta, inout standard_metadata_t standard_metadata) {

    /* ---- actions ---- */

    action drop() {
        mark_to_drop(standard_metadata);
    }

    action output(port_t port) {
        standard_metadata.egress_spec = port;
    }

    /* As a router does: the next MAC as destination, the gateway's as source, one off the TTL. */
    action route(mac_t next) {
        hdr.ethernet.destination = next;
        hdr.ethernet.source = GATEWAY_MAC;
        meta.hop = true;
    }

    /* The same, and a copy of the packet as it leaves to the controller, which pins the connection. */
    action route_and_copy(mac_t next) {
        route(next);
        meta.reason = Reason.FIRST_SEGMENT;
    }

    /* Leaves routing to the anchor; the packet is still on its way to the gateway, and keeps its TTL. */
    action to_anchor() {
        hdr.ethernet.destination = ANCHOR_MAC;
    }

    /* On to the table of devices. */
    action to_devices() { }

    action to_gateway() { }

    action pass_on() {
        meta.hop = true;
    }

    /* The request becomes its answer in place: asker and asked change places (RFC 826). */
    action answer_arp() {
        hdr.ethernet.destination = hdr.ethernet.source;
        hdr.ethernet.source = GATEWAY_MAC;
        hdr.arp.operation = ARP_REPLY;
        hdr.arp.target_mac = hdr.arp.sender_mac;
        hdr.arp.sender_mac = GATEWAY_MAC;
        ipv4_address_t asked = hdr.arp.target;
        hdr.arp.target = hdr.arp.sender;
        hdr.arp.sender = asked;
        standard_metadata.egress_spec = standard_metadata.ingress_port;
    }

    action to_controller() {
        meta.reason = Reason.SOLICITATION;
        standard_metadata.egress_spec = CPU_PORT;
    }

    action stamp(bit<16> node) {
        meta.node = node;
    }

    /* ---- stamps ---- */

    direct_counter(CounterType.packets_and_bytes) stamping_counter;
    table stamping {
        key = { hdr.probe.version: exact @name("version"); }
        actions = { stamp; NoAction; }
        default_action = NoAction();
        counters = stamping_counter;
        size = 1;
    }

    /* ---- intercept ---- */

    direct_counter(CounterType.packets_and_bytes) cross_connect_counter;
    table cross_connect {
        key = { standard_metadata.ingress_port: exact @name("ingress_port"); }
        actions = { output; NoAction; }
        default_action = NoAction();
        counters = cross_connect_counter;
        size = 512;
    }

    direct_counter(CounterType.packets_and_bytes) arp_counter;
    table arp_requests {
        key = { hdr.arp.target: exact @name("target"); }
        actions = { answer_arp; drop; }
        default_action = drop();
        counters = arp_counter;
        size = 16;
    }

    direct_counter(CounterType.packets_and_bytes) solicitations_counter;
    table solicitations {
        key = { hdr.solicitation.target: exact @name("target"); }
        actions = { to_controller; NoAction; }
        default_action = NoAction();
        counters = solicitations_counter;
        size = 16;
    }

    direct_counter(CounterType.packets_and_bytes) gateways_counter;
    table gateways {
        key = { hdr.ethernet.destination: exact @name("destination"); }
        actions = { to_gateway; NoAction; }
        default_action = NoAction();
        counters = gateways_counter;
        size = 16;
    }

    direct_counter(CounterType.packets_and_bytes) transit_counter;
    table transit {
        key = { hdr.ethernet.ether_type: exact @name("ether_type"); }
        actions = { pass_on; drop; }
        default_action = drop();
        counters = transit_counter;
        size = 16;
    }

    /* ---- steer ---- */

    direct_counter(CounterType.packets_and_bytes) pins_ipv4_counter;
    table pins_ipv4 {
        key = {
            hdr.ipv4.source: exact @name("source");
            hdr.ipv4.destination: exact @name("destination");
            hdr.tcp.source: exact @name("source_port");
            hdr.tcp.destination: exact @name("destination_port");
        }
        actions = { route; NoAction; }
        default_action = NoAction();
        counters = pins_ipv4_counter;
        size = CONNECTIONS;
        support_timeout = true;
    }

    direct_counter(CounterType.packets_and_bytes) pins_ipv6_counter;
    table pins_ipv6 {
        key = {
            hdr.ipv6.source: exact @name("source");
            hdr.ipv6.destination: exact @name("destination");
            hdr.tcp.source: exact @name("source_port");
            hdr.tcp.destination: exact @name("destination_port");
        }
        actions = { route; NoAction; }
        default_action = NoAction();
        counters = pins_ipv6_counter;
        size = CONNECTIONS;
        support_timeout = true;
    }

    direct_counter(CounterType.packets_and_bytes) openings_ipv4_counter;
    table openings_ipv4 {
        key = {
            hdr.ipv4.source: lpm @name("source");
            hdr.ipv4.destination: exact @name("destination");
        }
        actions = { route_and_copy; NoAction; }
        default_action = NoAction();
        counters = openings_ipv4_counter;
        size = ENTRIES;
    }

    direct_counter(CounterType.packets_and_bytes) openings_ipv6_counter;
    table openings_ipv6 {
        key = {
            hdr.ipv6.source: lpm @name("source");
            hdr.ipv6.destination: exact @name("destination");
        }
        actions = { route_and_copy; NoAction; }
        default_action = NoAction();
        counters = openings_ipv6_counter;
        size = ENTRIES;
    }

    direct_counter(CounterType.packets_and_bytes) steer_ipv4_counter;
    table steer_ipv4 {
        key = {
            hdr.ipv4.source: lpm @name("source");
            hdr.ipv4.destination: exact @name("destination");
        }
        actions = { route; NoAction; }
        default_action = NoAction();
        counters = steer_ipv4_counter;
        size = ENTRIES;
    }

    direct_counter(CounterType.packets_and_bytes) steer_ipv6_counter;
    table steer_ipv6 {
        key = {
            hdr.ipv6.source: lpm @name("source");
            hdr.ipv6.destination: exact @name("destination");
        }
        actions = { route; NoAction; }
        default_action = NoAction();
        counters = steer_ipv6_counter;
        size = ENTRIES;
    }

    /* ---- route ---- */

    /* Where the source counts too: a device's own breakouts, and the way back from what breaks out. */
    direct_counter(CounterType.packets_and_bytes) breakouts_ipv4_counter;
    table breakouts_ipv4 {
        key = {
            hdr.ipv4.source: ternary @name("source");
            hdr.ipv4.destination: ternary @name("destination");
        }
        actions = { route; to_devices; NoAction; }
        default_action = NoAction();
        counters = breakouts_ipv4_counter;
        size = ENTRIES;
    }

    direct_counter(CounterType.packets_and_bytes) breakouts_ipv6_counter;
    table breakouts_ipv6 {
        key = {
            hdr.ipv6.source: ternary @name("source");
            hdr.ipv6.destination: ternary @name("destination");
        }
        actions = { route; to_devices; NoAction; }
        default_action = NoAction();
        counters = breakouts_ipv6_counter;
        size = ENTRIES;
    }

    direct_counter(CounterType.packets_and_bytes) routes_ipv4_counter;
    table routes_ipv4 {
        key = { hdr.ipv4.destination: lpm @name("destination"); }
        actions = { route; to_devices; to_anchor; drop; }
        default_action = drop();
        counters = routes_ipv4_counter;
        size = ENTRIES;
    }

    direct_counter(CounterType.packets_and_bytes) routes_ipv6_counter;
    table routes_ipv6 {
        key = { hdr.ipv6.destination: lpm @name("destination"); }
        actions = { route; to_devices; to_anchor; drop; }
        default_action = drop();
        counters = routes_ipv6_counter;
        size = ENTRIES;
    }

    /* ---- devices ---- */

    direct_counter(CounterType.packets_and_bytes) devices_ipv4_counter;
    table devices_ipv4 {
        key = { hdr.ipv4.destination: exact @name("destination"); }
        actions = { route; to_anchor; drop; }
        default_action = drop();
        counters = devices_ipv4_counter;
        size = ENTRIES;
    }

    direct_counter(CounterType.packets_and_bytes) devices_ipv6_counter;
    table devices_ipv6 {
        key = { hdr.ipv6.destination: exact @name("destination"); }
        actions = { route; to_anchor; drop; }
        default_action = drop();
        counters = devices_ipv6_counter;
        size = ENTRIES;
    }

    /* ---- forward ---- */

    direct_counter(CounterType.packets_and_bytes) forward_counter;
    table forward {
        key = { hdr.ethernet.destination: exact @name("destination"); }
        actions = { output; drop; }
        default_action = drop();
        counters = forward_counter;
        size = ENTRIES;
    }

    apply {
        meta.ingress_port = standard_metadata.ingress_port;
        if (hdr.packet_out.isValid()) {
            output(hdr.packet_out.egress_port);
            return;
        }

        /* A probe with room for it gets the time at which it came in. Its UDP checksum stays right. */
        if (hdr.trail.isValid() && hdr.trail.hops < SLOTS) {
            if (stamping.apply().hit) {
                bit<16> hops = hdr.trail.hops;
                stamp_t before = hdr.stamps[hops];
                hdr.stamps[hops].node = meta.node;
                hdr.stamps[hops].time_us = standard_metadata.ingress_global_timestamp;
                hdr.trail.hops = hops + 1;
                if (hdr.udp.checksum != 0) {
                    hash(hdr.udp.checksum, HashAlgorithm.csum16, 16w0, {
                        ~hdr.udp.checksum,
                        ~hops, ~before.node, ~before.time_us,
                        hdr.trail.hops, meta.node, standard_metadata.ingress_global_timestamp
                    }, 32w0x10000);
                    if (hdr.udp.checksum == 0) {
                        hdr.udp.checksum = 0xffff; // RFC 768: zero means none
                    }
                }
            }
        }

        if (cross_connect.apply().hit) {
            return;
        }
        if (hdr.arp.isValid()) {
            if (hdr.arp.operation == ARP_REQUEST) {
                arp_requests.apply();
            } else {
                drop();
            }
            return;
        }
        if (hdr.solicitation.isValid() && solicitations.apply().hit) {
            return;
        }

        if (gateways.apply().hit) {
            bool found = false; // the next MAC
            if (hdr.ipv4.isValid()) {
                if (hdr.tcp.isValid()) {
                    found = pins_ipv4.apply().hit;
                    if (!found && hdr.tcp.syn == 1 && hdr.tcp.ack == 0) {
                        found = openings_ipv4.apply().hit;
                    }
                }
                if (!found) {
                    found = steer_ipv4.apply().hit;
                }
                if (!found) {
                    bool local = false;
                    switch (breakouts_ipv4.apply().action_run) {
                        route: { found = true; }
                        to_devices: { local = true; }
                    }
                    if (!found && !local) {
                        switch (routes_ipv4.apply().action_run) {
                            to_devices: { local = true; }
                        }
                    }
                    if (local) {
                        devices_ipv4.apply();
                    }
                }
            } else if (hdr.ipv6.isValid()) {
                if (hdr.tcp.isValid()) {
                    found = pins_ipv6.apply().hit;
                    if (!found && hdr.tcp.syn == 1 && hdr.tcp.ack == 0) {
                        found = openings_ipv6.apply().hit;
                    }
                }
                if (!found) {
                    found = steer_ipv6.apply().hit;
                }
                if (!found) {
                    bool local = false;
                    switch (breakouts_ipv6.apply().action_run) {
                        route: { found = true; }
                        to_devices: { local = true; }
                    }
                    if (!found && !local) {
                        switch (routes_ipv6.apply().action_run) {
                            to_devices: { local = true; }
                        }
                    }
                    if (local) {
                        devices_ipv6.apply();
                    }
                }
            } else {
                drop();
                return;
            }
        } else {
            transit.apply();
        }

        if (standard_metadata.egress_spec == DROP_PORT) {
            return;
        }
        if (!hdr.ipv4.isValid() && !hdr.ipv6.isValid()) {
            drop();
            return;
        }
        if (meta.hop) {
            if (hdr.ipv4.isValid()) {
                if (hdr.ipv4.ttl <= 1) {
                    drop();
                    return;
                }
                meta.ttl_before = hdr.ipv4.ttl;
                hdr.ipv4.ttl = hdr.ipv4.ttl - 1;
            } else {
                if (hdr.ipv6.hop_limit <= 1) {
                    drop();
                    return;
                }
                hdr.ipv6.hop_limit = hdr.ipv6.hop_limit - 1;
            }
        }
        forward.apply();
    }
}

control EdgeEgress(inout headers_t hdr, inout metadata_t meta, inout standard_metadata_t standard_metadata) {
    apply {
        if (standard_metadata.egress_port == CPU_PORT) {
            hdr.packet_in.setValid();
            hdr.packet_in.ingress_port = meta.ingress_port;
            hdr.packet_in.reason = meta.reason;
        } else if (meta.reason == Reason.FIRST_SEGMENT) {
            clone_preserving_field_list(CloneType.E2E, CPU_SESSION, KEPT_BY_COPIES);
        }
    }
}

V1Switch(
    EdgeParser(),
    EdgeVerifyChecksum(),
    EdgeIngress(),
    EdgeEgress(),
    EdgeComputeChecksum(),
    EdgeDeparser()
) main;
