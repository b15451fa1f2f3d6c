/* Exercise 4: a switch that steers the virtual address, without all that the lab's own edge.p4 does besides.
 *
 * Headers, parser and checksum are the lab's (dataplane/programs). The controller fills the tables by their names.
 */

#include <core.p4>
#include <v1model.p4>

#include "headers.p4"
#include "parser.p4"
#include "checksum.p4"

control EdgeIngress(inout headers_t hdr, inout metadata_t meta, inout standard_metadata_t standard_metadata) {

    /* ---- actions: what an entry can have done ---- */

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

    action to_anchor() {
        hdr.ethernet.destination = ANCHOR_MAC;
    }

    action to_devices() { }

    action to_gateway() { }

    action pass_on() {
        meta.hop = true;
    }

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

    /* ---- intercept: access points join two ports; ARP and neighbour discovery are answered ---- */

    table cross_connect {
        key = { standard_metadata.ingress_port: exact @name("ingress_port"); }
        actions = { output; NoAction; }
        default_action = NoAction();
    }

    table arp_requests {
        key = { hdr.arp.target: exact @name("target"); }
        actions = { answer_arp; drop; }
        default_action = drop();
    }

    table solicitations {
        key = { hdr.solicitation.target: exact @name("target"); }
        actions = { to_controller; NoAction; }
        default_action = NoAction();
    }

    table gateways {
        key = { hdr.ethernet.destination: exact @name("destination"); }
        actions = { to_gateway; NoAction; }
        default_action = NoAction();
    }

    table transit {
        key = { hdr.ethernet.ether_type: exact @name("ether_type"); }
        actions = { pass_on; drop; }
        default_action = drop();
    }

    /* ---- steer: which MEC host serves the virtual address to which device ---- */

    /* TODO 1: two tables, `steer_ipv4` and `steer_ipv6`. Keys: the source address by longest prefix, named "source", and
     * the destination address exactly, named "destination" (the tables below show how a key gets a name). Their action is
     * `route`; without a hit nothing happens. Give each a direct counter of packets and bytes.
     */


    /* ---- route: local breakout, else to the anchor; at the anchor every host ---- */

    table breakouts_ipv4 {
        key = {
            hdr.ipv4.source: ternary @name("source");
            hdr.ipv4.destination: ternary @name("destination");
        }
        actions = { route; to_devices; NoAction; }
        default_action = NoAction();
    }

    table breakouts_ipv6 {
        key = {
            hdr.ipv6.source: ternary @name("source");
            hdr.ipv6.destination: ternary @name("destination");
        }
        actions = { route; to_devices; NoAction; }
        default_action = NoAction();
    }

    table routes_ipv4 {
        key = { hdr.ipv4.destination: lpm @name("destination"); }
        actions = { route; to_devices; to_anchor; drop; }
        default_action = drop();
    }

    table routes_ipv6 {
        key = { hdr.ipv6.destination: lpm @name("destination"); }
        actions = { route; to_devices; to_anchor; drop; }
        default_action = drop();
    }

    table devices_ipv4 {
        key = { hdr.ipv4.destination: exact @name("destination"); }
        actions = { route; to_anchor; drop; }
        default_action = drop();
    }

    table devices_ipv6 {
        key = { hdr.ipv6.destination: exact @name("destination"); }
        actions = { route; to_anchor; drop; }
        default_action = drop();
    }

    /* ---- forward: out of which port a MAC is ---- */

    table forward {
        key = { hdr.ethernet.destination: exact @name("destination"); }
        actions = { output; drop; }
        default_action = drop();
    }

    apply {
        meta.ingress_port = standard_metadata.ingress_port;
        if (hdr.packet_out.isValid()) {
            output(hdr.packet_out.egress_port);
            return;
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
            bool steered = false;
            /* TODO 2: apply the table of the packet's family; `steered` is whether it had an entry for the packet. */

            bool to_device = false;
            if (!steered && hdr.ipv4.isValid()) {
                switch (breakouts_ipv4.apply().action_run) {
                    route: { }
                    to_devices: { to_device = true; }
                    default: {
                        switch (routes_ipv4.apply().action_run) {
                            to_devices: { to_device = true; }
                        }
                    }
                }
                if (to_device) {
                    devices_ipv4.apply();
                }
            } else if (!steered && hdr.ipv6.isValid()) {
                switch (breakouts_ipv6.apply().action_run) {
                    route: { }
                    to_devices: { to_device = true; }
                    default: {
                        switch (routes_ipv6.apply().action_run) {
                            to_devices: { to_device = true; }
                        }
                    }
                }
                if (to_device) {
                    devices_ipv6.apply();
                }
            }
        } else {
            transit.apply();
        }

        if (standard_metadata.egress_spec == DROP_PORT || (!hdr.ipv4.isValid() && !hdr.ipv6.isValid())) {
            drop();
            return;
        }
        if (meta.hop && hdr.ipv4.isValid()) {
            if (hdr.ipv4.ttl <= 1) {
                drop();
                return;
            }
            meta.ttl_before = hdr.ipv4.ttl;
            hdr.ipv4.ttl = hdr.ipv4.ttl - 1;
        } else if (meta.hop) {
            if (hdr.ipv6.hop_limit <= 1) {
                drop();
                return;
            }
            hdr.ipv6.hop_limit = hdr.ipv6.hop_limit - 1;
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
