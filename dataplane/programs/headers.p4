/* What edge.p4 reads and writes: headers as they are on the wire, and what a switch remembers of one packet. */

typedef bit<9> port_t;
typedef bit<48> mac_t;
typedef bit<32> ipv4_address_t;
typedef bit<128> ipv6_address_t;

/* The one gateway of every device and host, the same at every switch, and the anchor, which routes for all. */
const mac_t GATEWAY_MAC = 0x02005e000101;
const mac_t ANCHOR_MAC = 0x02005e000102;

/* Where packets for the controller go, and the clone session that sends copies there. */
const port_t CPU_PORT = 510;
const bit<32> CPU_SESSION = 1;

/* v1model's port of packets that go nowhere. */
const port_t DROP_PORT = 511;

const bit<16> TYPE_IPV4 = 0x0800;
const bit<16> TYPE_ARP = 0x0806;
const bit<16> TYPE_IPV6 = 0x86dd;
const bit<8> PROTOCOL_TCP = 6;
const bit<8> PROTOCOL_UDP = 17;
const bit<8> PROTOCOL_ICMPV6 = 58;
const bit<16> ARP_REQUEST = 1;
const bit<16> ARP_REPLY = 2;
const bit<8> NEIGHBOUR_SOLICITATION = 135;

/* Probes with room for stamps: UDP header (8 bytes), probe (40), trail (2) and stamps (8 each). */
const bit<16> PROBE_PORT = 9007;
const bit<32> PROBE_MAGIC = 0x4d454350; // "MECP"
#define SLOTS 8
const bit<16> STAMPED_LENGTH = 8 + 40 + 2 + 8 * SLOTS;

header ethernet_t {
    mac_t destination;
    mac_t source;
    bit<16> ether_type;
}

/* RFC 826, for Ethernet and IPv4. */
header arp_t {
    bit<16> hardware;
    bit<16> protocol;
    bit<8> hardware_length;
    bit<8> protocol_length;
    bit<16> operation;
    mac_t sender_mac;
    ipv4_address_t sender;
    mac_t target_mac;
    ipv4_address_t target;
}

/* RFC 791 section 3.1, without options. */
header ipv4_t {
    bit<4> version;
    bit<4> header_length;
    bit<8> service;
    bit<16> total_length;
    bit<16> identification;
    bit<3> flags;
    bit<13> fragment;
    bit<8> ttl;
    bit<8> protocol;
    bit<16> checksum;
    ipv4_address_t source;
    ipv4_address_t destination;
}

/* RFC 8200 section 3. */
header ipv6_t {
    bit<4> version;
    bit<8> traffic_class;
    bit<20> flow_label;
    bit<16> payload_length;
    bit<8> next_header;
    bit<8> hop_limit;
    ipv6_address_t source;
    ipv6_address_t destination;
}

/* RFC 4443 section 2.1. */
header icmpv6_t {
    bit<8> message;
    bit<8> code;
    bit<16> checksum;
}

/* RFC 4861 section 4.3, what follows the ICMPv6 header. */
header solicitation_t {
    bit<32> reserved;
    ipv6_address_t target;
}

/* RFC 9293 section 3.1, without options. */
header tcp_t {
    bit<16> source;
    bit<16> destination;
    bit<32> sequence;
    bit<32> acknowledgment;
    bit<4> offset;
    bit<7> reserved;
    bit<1> ack;
    bit<1> psh;
    bit<1> rst;
    bit<1> syn;
    bit<1> fin;
    bit<16> window;
    bit<16> checksum;
    bit<16> urgent;
}

/* RFC 768. */
header udp_t {
    bit<16> source;
    bit<16> destination;
    bit<16> length;
    bit<16> checksum;
}

/* The lab's probe. */
header probe_t {
    bit<32> magic;
    bit<8> version;
    bit<8> kind;
    bit<80> device;
    bit<32> sequence;
    bit<64> sent_ns;
    bit<96> host;
}

/* How many switches have stamped the probe: the next one takes the slot of this number. */
header trail_t {
    bit<16> hops;
}

/* When a probe came to a switch. */
header stamp_t {
    bit<16> node;
    bit<48> time_us;
}

/* Why the controller gets a packet. */
enum bit<7> Reason {
    NONE = 0,
    SOLICITATION = 1,
    FIRST_SEGMENT = 2
}

/* In front of each packet to the controller. */
@controller_header("packet_in")
header packet_in_t {
    port_t ingress_port;
    Reason reason;
}

/* In front of each packet from the controller: where it shall leave. */
@controller_header("packet_out")
header packet_out_t {
    port_t egress_port;
    bit<7> padding;
}

struct headers_t {
    packet_in_t packet_in;
    packet_out_t packet_out;
    ethernet_t ethernet;
    arp_t arp;
    ipv4_t ipv4;
    ipv6_t ipv6;
    icmpv6_t icmpv6;
    solicitation_t solicitation;
    tcp_t tcp;
    udp_t udp;
    probe_t probe;
    trail_t trail;
    stamp_t[SLOTS] stamps;
}

/* What a copy of a packet keeps (P4_16 field lists are numbered). */
#define KEPT_BY_COPIES 1

struct metadata_t {
    @field_list(KEPT_BY_COPIES)
    port_t ingress_port;
    @field_list(KEPT_BY_COPIES)
    Reason reason;
    /* Whether the packet passes this switch as a router: one is taken off its TTL. */
    bool hop;
    /* The TTL before that, for the checksum. */
    bit<8> ttl_before;
    /* This switch's number, in stamps. */
    bit<16> node;
}
