/* From bytes to headers and back. What is behind the last header here is payload and stays as it is. */

parser EdgeParser(
    packet_in packet, out headers_t hdr, inout metadata_t meta, inout standard_metadata_t standard_metadata) {

    state start {
        transition select(standard_metadata.ingress_port) {
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
        transition select(hdr.ethernet.ether_type) {
            TYPE_IPV4: parse_ipv4;
            TYPE_IPV6: parse_ipv6;
            TYPE_ARP: parse_arp;
            default: accept;
        }
    }

    state parse_arp {
        packet.extract(hdr.arp);
        transition accept;
    }

    /* Ports are looked at in first fragments alone, and not behind options. */
    state parse_ipv4 {
        packet.extract(hdr.ipv4);
        transition select(hdr.ipv4.fragment, hdr.ipv4.header_length, hdr.ipv4.protocol) {
            (0, 5, PROTOCOL_TCP): parse_tcp;
            (0, 5, PROTOCOL_UDP): parse_udp;
            default: accept;
        }
    }

    state parse_ipv6 {
        packet.extract(hdr.ipv6);
        transition select(hdr.ipv6.next_header) {
            PROTOCOL_TCP: parse_tcp;
            PROTOCOL_UDP: parse_udp;
            PROTOCOL_ICMPV6: parse_icmpv6;
            default: accept;
        }
    }

    state parse_icmpv6 {
        packet.extract(hdr.icmpv6);
        transition select(hdr.icmpv6.message) {
            NEIGHBOUR_SOLICITATION: parse_solicitation;
            default: accept;
        }
    }

    state parse_solicitation {
        packet.extract(hdr.solicitation);
        transition accept;
    }

    state parse_tcp {
        packet.extract(hdr.tcp);
        transition accept;
    }

    state parse_udp {
        packet.extract(hdr.udp);
        transition select(hdr.udp.source, hdr.udp.destination, hdr.udp.length) {
            (_, PROBE_PORT, STAMPED_LENGTH): parse_probe;
            (PROBE_PORT, _, STAMPED_LENGTH): parse_probe;
            default: accept;
        }
    }

    state parse_probe {
        packet.extract(hdr.probe);
        transition select(hdr.probe.magic) {
            PROBE_MAGIC: parse_trail;
            default: accept;
        }
    }

    state parse_trail {
        packet.extract(hdr.trail);
        transition parse_stamps;
    }

    state parse_stamps {
        packet.extract(hdr.stamps.next);
        transition select(hdr.stamps.lastIndex) {
            SLOTS - 1: accept;
            default: parse_stamps;
        }
    }
}

control EdgeDeparser(packet_out packet, in headers_t hdr) {
    apply {
        packet.emit(hdr.packet_in);
        packet.emit(hdr.ethernet);
        packet.emit(hdr.arp);
        packet.emit(hdr.ipv4);
        packet.emit(hdr.ipv6);
        packet.emit(hdr.icmpv6);
        packet.emit(hdr.solicitation);
        packet.emit(hdr.tcp);
        packet.emit(hdr.udp);
        packet.emit(hdr.probe);
        packet.emit(hdr.trail);
        packet.emit(hdr.stamps);
    }
}
