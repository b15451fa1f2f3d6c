/* The least that a program can do: every packet leaves by the other port. */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u32);
} others SEC(".maps");

SEC("tc")
int redirect(struct __sk_buff *skb)
{
	__u32 interface = skb->ifindex;
	__u32 *other = bpf_map_lookup_elem(&others, &interface);

	return other ? bpf_redirect(*other, 0) : 2;
}

char _license[] SEC("license") = "GPL";
