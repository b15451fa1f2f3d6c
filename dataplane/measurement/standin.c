/* What a P4 switch's work takes, written by hand: Ethernet and IPv4 parsed, an exact and an LPM lookup, the MAC
 * addresses rewritten, TTL and checksum changed, a counter, a redirect. What the compiler makes is measured by it. */

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

struct route {
	__u32 length, address;
};
struct action {
	__u8 destination[6], source[6];
	__u32 interface;
};
struct counter {
	__u64 packets, bytes;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, __u64);
	__type(value, __u32);
} gateways SEC(".maps");
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 4096);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct route);
	__type(value, struct action);
} routes SEC(".maps");
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 16);
	__type(key, __u32);
	__type(value, struct counter);
} counters SEC(".maps");

SEC("tc")
int standin(struct __sk_buff *skb)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	struct ethhdr *ethernet = data;
	struct iphdr *ip = data + sizeof(*ethernet);
	struct route route = {32, 0};
	struct action *action;
	struct counter *counter;
	__u64 mac = 0;
	__u32 *gateway, checksum;

	if ((void *)(ip + 1) > end || ethernet->h_proto != bpf_htons(ETH_P_IP))
		return TC_ACT_SHOT;
	__builtin_memcpy(&mac, ethernet->h_dest, 6);
	gateway = bpf_map_lookup_elem(&gateways, &mac);
	if (!gateway || ip->ttl <= 1)
		return TC_ACT_SHOT;
	route.address = ip->daddr;
	action = bpf_map_lookup_elem(&routes, &route);
	if (!action)
		return TC_ACT_SHOT;
	__builtin_memcpy(ethernet->h_dest, action->destination, 6);
	__builtin_memcpy(ethernet->h_source, action->source, 6);
	ip->ttl--;
	checksum = ip->check + bpf_htons(0x0100);
	ip->check = checksum + (checksum >> 16);
	counter = bpf_map_lookup_elem(&counters, gateway);
	if (counter) {
		__sync_fetch_and_add(&counter->packets, 1);
		__sync_fetch_and_add(&counter->bytes, skb->len);
	}
	return bpf_redirect(action->interface, 0);
}

char _license[] SEC("license") = "GPL";
