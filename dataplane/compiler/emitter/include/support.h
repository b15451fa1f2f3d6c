/* Keys, hashes and sums over the state. */

#define OFFSET(s) (*(volatile u32 *)&(s)->c.offset)
#define OUT(s) (*(volatile u32 *)&(s)->out)
#define SET_EGRESS_PORT(s, port) (EGRESS_PORT(s) = (port))
#define SET_REPLICA(s, number) (REPLICA(s) = (number))
#define SET_INSTANCE(s, kind) (INSTANCE(s) = (kind))
#define SET_CHECKSUM_ERROR(s) (CHECKSUM_ERROR(s) = 1)
#define MARK_TO_DROP(s) (EGRESS_SPEC(s) = DROP_PORT, MULTICAST_GROUP(s) = 0)

enum { MAXIMUM_GROUP = 256 };
/* The last 8 bits, masked where the verifier sees it: 6.1's forgets what an exclusive or of 32 bits can be. */
INLINE u64 low_byte(u64 value)
{
	OPAQUE(value);
	return value & 0xff;
}

struct selector_group {
	u32 count;
	u32 members[MAXIMUM_GROUP];
};

/* A key with a mask; the mask is in a map, and not a byte behind it may be read. */
INLINE void mask_key(u8 *to, const u8 *key, const u8 *mask, u32 size)
{
	u32 i = 0;
#pragma clang loop unroll(full)
	for (; i + 8 <= size; i += 8)
		*(u64 *)(to + i) = *(u64 *)(key + i) & *(u64 *)(mask + i);
	if (size & 4) {
		*(u32 *)(to + i) = *(u32 *)(key + i) & *(u32 *)(mask + i);
		i += 4;
	}
	if (size & 2) {
		*(u16 *)(to + i) = *(u16 *)(key + i) & *(u16 *)(mask + i);
		i += 2;
	}
	if (size & 1)
		to[i] = key[i] & mask[i];
}

INLINE void copy_record(void *to, const void *from, u32 size)
{
#pragma clang loop unroll(full)
	for (u32 i = 0; i < size / 4; i++)
		((u32 *)to)[i] = ((const u32 *)from)[i];
}

#ifdef USES_CRC16
static __noinline u64 crc16(const u8 *bytes, u32 size)
{
	u32 crc = 0;
#pragma clang loop unroll(disable)
	for (u32 i = 0; i < size; i++)
		crc = (crc >> 8) ^ crc16_table[low_byte(crc ^ bytes[i])];
	return crc;
}
#endif

#ifdef USES_CRC32
INLINE u64 crc32(const u8 *bytes, u32 size)
{
	u32 crc = 0xffffffff;
#pragma clang loop unroll(disable)
	for (u32 i = 0; i < size; i++)
		crc = (crc >> 8) ^ crc32_table[low_byte(crc ^ bytes[i])];
	return crc ^ 0xffffffff;
}
#endif

INLINE u64 xor16(const u8 *bytes, u32 size)
{
	u64 result = 0;
	for (u32 i = 0; i + 1 < size; i += 2)
		result ^= load16(bytes + i);
	return size & 1 ? result ^ ((u64)bytes[size - 1] << 8) : result;
}

/* The first 8 bytes as a number. */
INLINE u64 identity(const u8 *bytes, u32 size)
{
	u64 result = 0;
#pragma clang loop unroll(full)
	for (u32 i = 0; i < size && i < 8; i++)
		result = (result << 8) | bytes[i];
	return result;
}

INLINE void begin_egress(struct state *s) { EGRESS_SPEC(s) = 0; }

/* The sum of the 16-bit words of what is behind the parsed headers, computed once for each packet.
 * The copies of a packet all come behind the first, whose sum is taken from the skb before anything is written to it. */
static long sum_chunk(u32 number, struct payload_walk *walk)
{
	u32 first = 0;
	u64 size = walk->left < CHUNK ? walk->left : CHUNK, last;
	struct chunk *chunk = bpf_map_lookup_elem(&chunks, &first);
	if (!chunk || size == 0)
		return 1;
	if (size < CHUNK)
		zero(chunk, sizeof(*chunk));
	last = size - 1;
	OPAQUE(last);
	if (last >= CHUNK || bpf_skb_load_bytes(walk->skb, walk->at, chunk, last + 1))
		return 1;
	walk->sum = bpf_csum_diff(0, 0, (__be32 *)chunk, CHUNK, walk->sum);
	walk->at += size;
	walk->left -= size;
	return 0;
}

INLINE u64 payload_sum(struct state *s, struct __sk_buff *skb)
{
	if (!s->payload_summed) {
		struct payload_walk walk = {s, skb, BASE + s->c.offset, s->c.length - s->c.offset, 0};
		bpf_loop(260, sum_chunk, &walk, 0);
		s->payload_sum = swapped(fold(walk.sum));
		s->payload_summed = 1;
	}
	return s->payload_sum;
}
