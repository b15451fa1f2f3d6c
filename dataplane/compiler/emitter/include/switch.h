/* The way of a packet through the switch, behind the program's own text, which has defined
 * `begin_metadata`, `parse`, `verify_checksums`, `ingress`, `egress`, `compute_checksums`, `deparse`, `keep`. */

/* VLAN tags in front of a frame that are put back where they were. */
#define MAXIMUM_TAGS 2

enum verdict { DROPPED, PASSED, COPIES };

/* The packet in the skb becomes `output` and the payload. The skb has `c.offset` bytes of headers now. */
struct whole {
	u8 bytes[WHOLE_LIMIT + FRONT_SIZE + 64];
};
PER_CPU(wholes, sizeof(struct whole), 1);

INLINE struct whole *whole_packet(void)
{
	u32 first = 0;
	return bpf_map_lookup_elem(&wholes, &first);
}

/* Bytes of the skb from `from` on into `to`; the size is bounded where the verifier sees it. It is counted from 1: the
 * verifier of 6.1 does not conclude from `size != 0` that it is at least 1. */
INLINE long load(struct __sk_buff *skb, u64 from, void *to, u64 size, u64 limit)
{
	u64 last = size - 1;
	OPAQUE(last);
	if (last >= limit)
		return size ? -1 : 0;
	return bpf_skb_load_bytes(skb, from, to, last + 1);
}

INLINE long store(struct __sk_buff *skb, u64 to, const void *from, u64 size, u64 limit)
{
	u64 last = size - 1;
	OPAQUE(last);
	if (last >= limit)
		return size ? -1 : 0;
	return bpf_skb_store_bytes(skb, to, from, last + 1, 0);
}

/* The payload moves towards the front: no helper takes bytes off the front behind any EtherType. */
INLINE long shrink(struct __sk_buff *skb, u64 from, u64 to, u64 payload)
{
	struct whole *whole = whole_packet();
	if (!whole || load(skb, BASE + from, whole->bytes, payload, WHOLE_LIMIT))
		return -1;
	if (store(skb, BASE + to, whole->bytes, payload, WHOLE_LIMIT))
		return -1;
	return bpf_skb_change_tail(skb, BASE + to + payload, 0);
}

/* `output` and the payload, cut to a size. The head stays where it is: the kernel cuts no frame to less than what lies
 * in front of its network header, and a longer head moves that back. */
INLINE long cut(struct __sk_buff *skb, struct state *s, u32 size)
{
	u32 after = s->out, payload = size > after ? size - after : 0;
	struct whole *whole = whole_packet();
	if (!whole || load(skb, BASE + s->c.offset, whole->bytes, payload, WHOLE_LIMIT))
		return -1;
	if (bpf_skb_change_tail(skb, BASE + size, 0))
		return -1;
	if (store(skb, BASE, s->output, min32(size, after), OUTPUT_LIMIT))
		return -1;
	return store(skb, BASE + after, whole->bytes, payload, WHOLE_LIMIT);
}

INLINE long rewrite(struct __sk_buff *skb, struct state *s)
{
	u32 before = s->c.offset, after = s->out, payload = s->c.length - before;
	long failed = 0;
	if (s->c.truncate < after + payload)
		return cut(skb, s, s->c.truncate);
	if (after > before)
		failed = bpf_skb_change_head(skb, after - before, 0);
	else if (after < before)
		failed = shrink(skb, before, after, payload);
	return failed || store(skb, BASE, s->output, after, OUTPUT_LIMIT) ? -1 : 0;
}

struct output {
	u32 port, length;
	u8 bytes[MAXIMUM_PACKET];
};

/* While testing: the packet into the ring buffer. */
INLINE void report(struct __sk_buff *skb, u32 port)
{
	struct output *output = bpf_ringbuf_reserve(&outputs, sizeof(*output), 0);
	u64 length = skb->len - BASE;
	if (!output) {
		count_drop(TOO_OFTEN);
		return;
	}
	output->port = port;
	output->length = length;
	if (load(skb, BASE, output->bytes, length, MAXIMUM_PACKET)) {
		bpf_ringbuf_discard(output, 0);
		count_drop(TOO_LONG);
		return;
	}
	bpf_ringbuf_submit(output, 0);
}

/* The interface of a port, 0 for none. */
INLINE u32 interface_of(u32 port)
{
	u32 *interface = bpf_map_lookup_elem(&ports, &port);
	if (!interface || !*interface) {
		count_drop(NO_PORT);
		return 0;
	}
	return *interface;
}

/* The last that is done with an skb: it leaves. */
INLINE int leave(struct __sk_buff *skb, struct state *s)
{
	u32 port = EGRESS_PORT(s), interface;
	if (rewrite(skb, s)) {
		count_drop(TOO_LONG);
		return TC_ACT_SHOT;
	}
	if (testing) {
		report(skb, port);
		return TC_ACT_SHOT;
	}
	interface = interface_of(port);
	if (!interface)
		return TC_ACT_SHOT;
	if (skb->len < 14) {
		count_drop(TOO_SHORT);
		return TC_ACT_SHOT;
	}
	return bpf_redirect(interface, 0);
}

/* Verified each by itself: their paths do not multiply. */
GLOBAL int run_parser(struct __sk_buff *skb)
{
	struct state *s = state_of_packet();
	if (!s)
		return 0;
	parse(s, skb);
	return 0;
}

GLOBAL int run_ingress(struct __sk_buff *skb)
{
	struct state *s = state_of_packet();
	if (!s)
		return DROPPED;
	verify_checksums(s, skb);
	FORGET();
	ingress(s, skb);
	FORGET();
#if USES_COPIES
	if (s->c.clone_list || s->c.resubmit_list || MULTICAST_GROUP(s))
		return COPIES;
#endif
	return EGRESS_SPEC(s) == DROP_PORT ? DROPPED : PASSED;
}

GLOBAL int run_egress(struct __sk_buff *skb)
{
	struct state *s = state_of_packet();
	if (!s)
		return DROPPED;
	begin_egress(s);
	egress(s, skb);
	FORGET();
	if (EGRESS_SPEC(s) == DROP_PORT) {
#if USES_COPIES
		if (s->c.clone_list)
			return COPIES;
#endif
		return DROPPED;
	}
	compute_checksums(s, skb);
	FORGET();
	s->out = 0;
	deparse(s, skb);
	FORGET();
#if USES_COPIES
	if (s->c.clone_list || s->c.recirculate_list)
		return COPIES;
#endif
	return PASSED;
}

INLINE void begin(struct state *s, u32 port, u32 length, u32 instance)
{
	zero(&s->c.validity, sizeof(s->c.validity));
	zero(&s->c.metadata, sizeof(s->c.metadata));
	zero(&s->c.headers, sizeof(s->c.headers));
	begin_metadata(s, port, length, instance);
	s->c.length = length;
	s->c.offset = 0;
	s->c.truncate = ~0u;
	s->c.clone_list = 0;
	s->c.resubmit_list = 0;
	s->c.recirculate_list = 0;
	s->payload_summed = 0;
	FORGET();
}

#if USES_COPIES
#include "copies.h"
#endif

/* Port of the packet; PORT_COUNT where its interface is none. */
INLINE u32 port_of(struct __sk_buff *skb)
{
	u32 port = PORT_COUNT, interface = skb->ifindex, *known;
	if (testing) {
		bpf_skb_load_bytes(skb, 0, &port, sizeof(port));
		return port;
	}
	known = bpf_map_lookup_elem(&port_numbers, &interface);
	return known ? *known : PORT_COUNT;
}

/* The kernel takes VLAN tags out of a frame before tc; the program sees them where they were. */
static __attribute__((noinline)) long put_tags_back(struct __sk_buff *skb)
{
	u16 tags[2 * MAXIMUM_TAGS];
	u8 addresses[12];
	u32 size = 0;
	for (u32 tag = 0; tag < MAXIMUM_TAGS; tag++) {
		if (!skb->vlan_present)
			break;
		tags[2 * tag] = skb->vlan_proto;
		tags[2 * tag + 1] = __builtin_bswap16(skb->vlan_tci);
		/* A further tag behind it takes its place. */
		if (bpf_skb_vlan_pop(skb))
			return -1;
		size += 4;
	}
	if (skb->vlan_present || bpf_skb_change_head(skb, size, 0))
		return -1;
	if (bpf_skb_load_bytes(skb, size, addresses, 12) || bpf_skb_store_bytes(skb, 0, addresses, 12, 0))
		return -1;
	if (bpf_skb_store_bytes(skb, 12, tags, 4, 0))
		return -1;
	return size > 4 ? bpf_skb_store_bytes(skb, 16, tags + 2, 4, 0) : 0;
}

SEC("tc")
int p4_ingress(struct __sk_buff *skb)
{
	struct state *s = state_of_packet();
	u32 port = port_of(skb), length, verdict;
	if (!s)
		return TC_ACT_SHOT;
	if (skb->vlan_present && put_tags_back(skb)) {
		count_drop(TOO_LONG);
		return TC_ACT_SHOT;
	}
	length = skb->len - BASE;
	if (port >= PORT_COUNT) {
		count_drop(UNKNOWN_INTERFACE);
		return TC_ACT_SHOT;
	}
	if (skb->gso_segs > 1)
		count_drop(OFFLOADED);
	s->now = 0;
	s->loaded = min32(length, FRONT_LIMIT);
	if (load(skb, BASE, s->front, s->loaded, FRONT_LIMIT))
		return TC_ACT_SHOT;
	begin(s, port, length, NORMAL);
	s->c.passes = 0;
	run_parser(skb);
	verdict = run_ingress(skb);
#if USES_COPIES
	if (verdict == COPIES)
		return copy_after_ingress(skb, s);
#endif
	if (verdict == PASSED) {
		SET_EGRESS_PORT(s, EGRESS_SPEC(s));
		verdict = run_egress(skb);
#if USES_COPIES
		if (verdict == COPIES)
			return copy_after_egress(skb, s);
#endif
		if (verdict == PASSED)
			return leave(skb, s);
	}
	count_drop(PROGRAM);
	return TC_ACT_SHOT;
}

char _license[] SEC("license") = "GPL";
