/* What every program needs before its own text: numbers, bytes in network order, checksums, meters.
 *
 * Numbers of bit<N> are unsigned integers whose upper bits are zero; int<N> are kept the same way and widened by their
 * sign where it matters. Headers are kept as they are on the wire. */

#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;
typedef __s64 s64;
typedef unsigned __int128 u128;
typedef __int128 s128;

#define INLINE static __always_inline
/* A function that the verifier checks once, for all its callers; weak, or clang takes liberties with its arguments. */
#define GLOBAL __attribute__((noinline, weak))
#define U128(high, low) (((u128)hidden(high) << 64) | (u64)(low))

/* Keeps the compiler from remembering what is in memory: the verifier forgets it too, and need not follow each path. */
#define FORGET() asm volatile("" ::: "memory")
/* A value that the compiler knows nothing of: the check of its bounds stays where it is, on the register that is used. */
#define OPAQUE(value) asm volatile("" : "+r"(value))

/* A value of which clang does not know where it is from: of two equal halves of a number it makes a multiplication, and
 * eBPF has none of 128 bits. */
INLINE u64 hidden(u64 value)
{
	if (!__builtin_constant_p(value))
		asm("" : "+r"(value));
	return value;
}

/* ---- bytes: the verifier lets these addresses be unaligned ---- */

INLINE u64 load8(const void *from) { return *(const u8 *)from; }
INLINE u64 load16(const void *from) { return __builtin_bswap16(*(const u16 *)from); }
INLINE u64 load32(const void *from) { return __builtin_bswap32(*(const u32 *)from); }
INLINE u64 load64(const void *from) { return __builtin_bswap64(*(const u64 *)from); }
INLINE void store8(void *to, u64 value) { *(u8 *)to = value; }
INLINE void store16(void *to, u64 value) { *(u16 *)to = __builtin_bswap16(value); }
INLINE void store32(void *to, u64 value) { *(u32 *)to = __builtin_bswap32(value); }
INLINE void store64(void *to, u64 value) { *(u64 *)to = __builtin_bswap64(value); }

/* Whole words: up to 7 bytes more than asked; all buffers have room behind. */
INLINE void copy(void *to, const void *from, u32 size)
{
#pragma clang loop unroll(full)
	for (u32 i = 0; i < (size + 7) / 8; i++)
		((u64 *)to)[i] = ((const u64 *)from)[i];
}

INLINE void zero(void *to, u32 size)
{
#pragma clang loop unroll(full)
	for (u32 i = 0; i < (size + 7) / 8; i++)
		((u64 *)to)[i] = 0;
}

INLINE u32 same(const void *a, const void *b, u32 size)
{
	u64 differences = 0;
	u32 i = 0;
#pragma clang loop unroll(full)
	for (; i + 8 <= size; i += 8)
		differences |= *(const u64 *)(a + i) ^ *(const u64 *)(b + i);
	if (size & 4) {
		differences |= *(const u32 *)(a + i) ^ *(const u32 *)(b + i);
		i += 4;
	}
	if (size & 2) {
		differences |= *(const u16 *)(a + i) ^ *(const u16 *)(b + i);
		i += 2;
	}
	if (size & 1)
		differences |= *(const u8 *)(a + i) ^ *(const u8 *)(b + i);
	return differences == 0;
}

/* ---- numbers of up to 64 bits ---- */

INLINE u64 mask64(u32 bits) { return bits >= 64 ? ~0ull : (1ull << bits) - 1; }
INLINE s64 signed64(u64 value, u32 bits) { return (s64)(value << (64 - bits)) >> (64 - bits); }
/* A shift by 2^64 and more is one by more than any width. */
INLINE u64 shift_amount(u128 by) { return by >> 64 ? ~0ull : (u64)by; }
INLINE u64 shift_left64(u64 value, u64 by, u32 bits) { return by < bits ? (value << by) & mask64(bits) : 0; }
INLINE u64 shift_right64(u64 value, u64 by, u32 bits) { return by < bits ? value >> by : 0; }
INLINE u64 shift_arithmetic64(u64 value, u64 by, u32 bits)
{
	return (signed64(value, bits) >> (by < bits ? by : bits - 1)) & mask64(bits);
}
INLINE u64 divide64(u64 a, u64 b) { return b ? a / b : 0; }
INLINE u64 modulo64(u64 a, u64 b) { return b ? a % b : 0; }
INLINE u64 add_saturating64(u64 a, u64 b, u32 bits)
{
	u64 sum = a + b;
	return sum < a || sum > mask64(bits) ? mask64(bits) : sum;
}
INLINE u64 subtract_saturating64(u64 a, u64 b, u32 bits) { return a > b ? a - b : 0; }
INLINE u64 clamp64(s64 value, u32 overflow, u32 negative, u32 bits)
{
	s64 most = (s64)(mask64(bits) >> 1);
	if (overflow)
		return negative ? (u64)(-most - 1) & mask64(bits) : (u64)most;
	if (value > most)
		return most;
	return (u64)(value < -most - 1 ? -most - 1 : value) & mask64(bits);
}
INLINE u64 add_signed_saturating64(u64 a, u64 b, u32 bits)
{
	s64 x = signed64(a, bits), y = signed64(b, bits), sum = (s64)((u64)x + (u64)y);
	return clamp64(sum, (x < 0) == (y < 0) && (sum < 0) != (x < 0), x < 0, bits);
}
INLINE u64 subtract_signed_saturating64(u64 a, u64 b, u32 bits)
{
	s64 x = signed64(a, bits), y = signed64(b, bits), difference = (s64)((u64)x - (u64)y);
	return clamp64(difference, (x < 0) != (y < 0) && (difference < 0) != (x < 0), x < 0, bits);
}

/* ---- numbers of up to 128 bits ---- */

INLINE u128 mask128(u32 bits) { return bits >= 128 ? ~(u128)0 : ((u128)1 << bits) - 1; }
INLINE s128 signed128(u128 value, u32 bits) { return (s128)(value << (128 - bits)) >> (128 - bits); }
/* By halves: of `a - (b << 64)` clang makes a multiplication, of which eBPF has none of 128 bits. */
INLINE u128 subtract128(u128 a, u128 b)
{
	u64 low = (u64)a - (u64)b, borrow = (u64)a < (u64)b;
	return U128((u64)(a >> 64) - (u64)(b >> 64) - borrow, low);
}
INLINE u128 left128(u128 value, u32 by)
{
	u64 high = value >> 64, low = (u64)value;
	if (by >= 64)
		return U128(low << ((by - 64) & 63), 0);
	return by ? U128((high << by) | (low >> (64 - by)), low << by) : value;
}
INLINE u128 right128(u128 value, u32 by)
{
	u64 high = value >> 64, low = (u64)value;
	if (by >= 64)
		return high >> ((by - 64) & 63);
	return by ? U128(high >> by, (low >> by) | (high << (64 - by))) : value;
}
INLINE u128 shift_left128(u128 value, u128 by, u32 bits) { return by < bits ? left128(value, by) & mask128(bits) : 0; }
INLINE u128 shift_right128(u128 value, u128 by, u32 bits) { return by < bits ? right128(value, by) : 0; }
INLINE u128 shift_arithmetic128(u128 value, u128 by, u32 bits)
{
	s128 wide = signed128(value, bits);
	u32 count = by < bits ? (u32)by : bits - 1;
	u128 shifted = right128((u128)wide, count);
	if (wide < 0 && count)
		shifted |= ~right128(~(u128)0, count);
	return shifted & mask128(bits);
}
INLINE u128 multiply64(u64 a, u64 b)
{
	u64 ah = a >> 32, al = (u32)a, bh = b >> 32, bl = (u32)b;
	u64 low = al * bl, middle = ah * bl + (low >> 32), other = al * bh + (u32)middle;
	return U128(ah * bh + (middle >> 32) + (other >> 32), (other << 32) | (u32)low);
}
INLINE u128 multiply128(u128 a, u128 b, u32 bits)
{
	u64 ah = a >> 64, bh = b >> 64;
	u128 product = multiply64((u64)a, (u64)b);
	return U128((u64)(product >> 64) + ah * (u64)b + (u64)a * bh, (u64)product) & mask128(bits);
}
INLINE u128 add_saturating128(u128 a, u128 b, u32 bits)
{
	u128 sum = a + b;
	return sum < a || sum > mask128(bits) ? mask128(bits) : sum;
}
INLINE u128 subtract_saturating128(u128 a, u128 b, u32 bits) { return a > b ? subtract128(a, b) : 0; }
INLINE u128 clamp128(s128 value, u32 overflow, u32 negative, u32 bits)
{
	s128 most = (s128)(mask128(bits) >> 1);
	if (overflow)
		return negative ? (u128)(-most - 1) & mask128(bits) : (u128)most;
	if (value > most)
		return most;
	return (u128)(value < -most - 1 ? -most - 1 : value) & mask128(bits);
}
INLINE u128 add_signed_saturating128(u128 a, u128 b, u32 bits)
{
	s128 x = signed128(a, bits), y = signed128(b, bits), sum = (s128)((u128)x + (u128)y);
	return clamp128(sum, (x < 0) == (y < 0) && (sum < 0) != (x < 0), x < 0, bits);
}
INLINE u128 subtract_signed_saturating128(u128 a, u128 b, u32 bits)
{
	s128 x = signed128(a, bits), y = signed128(b, bits), difference = (s128)subtract128((u128)x, (u128)y);
	return clamp128(difference, (x < 0) != (y < 0) && (difference < 0) != (x < 0), x < 0, bits);
}
struct division {
	u128 quotient, remainder;
};
INLINE struct division long_division(u128 a, u128 b)
{
	struct division result = {0, 0};
	if (!b)
		return result;
#pragma clang loop unroll(disable)
	for (u32 i = 0; i < 128; i++) {
		u32 carry = (u64)(result.remainder >> 127);
		result.remainder = (result.remainder << 1) | (u64)(a >> 127);
		a <<= 1;
		result.quotient <<= 1;
		if (carry || result.remainder >= b) {
			result.remainder = subtract128(result.remainder, b);
			result.quotient |= 1;
		}
	}
	return result;
}
INLINE u128 divide128(u128 a, u128 b) { return long_division(a, b).quotient; }
INLINE u128 modulo128(u128 a, u128 b) { return long_division(a, b).remainder; }

/* An index of any width as maps take it: what is too large is beyond every map. */
INLINE u32 index_of(u128 value) { return value > 0xffffffffu ? 0xffffffffu : (u32)value; }

/* ---- sums in ones' complement (RFC 1071) ---- */

INLINE u64 fold32(u64 sum) { return (sum & 0xffffffff) + (sum >> 32); }
INLINE u64 fold(u64 sum)
{
	sum = (sum & 0xffff) + ((sum >> 16) & 0xffff) + ((sum >> 32) & 0xffff) + (sum >> 48);
	sum = (sum & 0xffff) + (sum >> 16);
	return (sum & 0xffff) + (sum >> 16);
}
INLINE u64 swapped(u64 sum) { return ((sum & 0xff) << 8) | (sum >> 8); }

/* ---- meters: two rates, three colours (RFC 2698), colour-blind ---- */

struct meter {
	u64 committed_rate, committed_burst, peak_rate, peak_burst;
	u64 committed_tokens, peak_tokens;
	u64 last;
	struct bpf_spin_lock lock;
	u32 padding;
};

#define BILLION 1000000000ull

/* Tokens after some time, in billionths; at most the burst. */
INLINE u64 refill(u64 tokens, u64 rate, u64 burst, u64 elapsed)
{
	u64 most = burst * BILLION;
	u64 time = rate ? most / rate : 0; /* that fills an empty bucket */
	if (elapsed > time)
		return rate ? most : tokens;
	tokens += rate * elapsed;
	return tokens > most ? most : tokens;
}

INLINE u32 colour_of(struct meter *meter, u64 amount, u64 now)
{
	u32 colour = 0;
	amount *= BILLION;
	bpf_spin_lock(&meter->lock);
	if (meter->committed_rate | meter->peak_rate | meter->committed_burst | meter->peak_burst) {
		u64 elapsed = now > meter->last ? now - meter->last : 0;
		if (meter->last == 0) {
			meter->committed_tokens = meter->committed_burst * BILLION;
			meter->peak_tokens = meter->peak_burst * BILLION;
		} else {
			meter->committed_tokens =
				refill(meter->committed_tokens, meter->committed_rate, meter->committed_burst, elapsed);
			meter->peak_tokens = refill(meter->peak_tokens, meter->peak_rate, meter->peak_burst, elapsed);
		}
		if (elapsed || meter->last == 0)
			meter->last = now;
		if (meter->peak_tokens < amount) {
			colour = 2;
		} else {
			meter->peak_tokens -= amount;
			if (meter->committed_tokens < amount)
				colour = 1;
			else
				meter->committed_tokens -= amount;
		}
	}
	bpf_spin_unlock(&meter->lock);
	return colour;
}

struct counter {
	u64 packets, bytes;
};

INLINE void count(struct counter *counter, u64 bytes)
{
	if (counter) {
		__sync_fetch_and_add(&counter->packets, 1);
		__sync_fetch_and_add(&counter->bytes, bytes);
	}
}

/* ---- maps ---- */

#define MAP(kind, name, key, size_of_value, entries, with)                                                       \
	struct {                                                                                                       \
		__uint(type, kind);                                                                                    \
		__uint(key_size, key);                                                                                 \
		__uint(value_size, size_of_value);                                                                     \
		__uint(max_entries, entries);                                                                          \
		__uint(map_flags, flags_##with);                                                                  \
	} name SEC(".maps")
#define ARRAY(name, size_of_value, entries) MAP(BPF_MAP_TYPE_ARRAY, name, 4, size_of_value, entries, none)
#define HASH(name, key, size_of_value, entries) MAP(BPF_MAP_TYPE_HASH, name, key, size_of_value, entries, none)
#define SPARSE(name, key, size_of_value, entries) MAP(BPF_MAP_TYPE_HASH, name, key, size_of_value, entries, sparse)
#define TRIE(name, key, size_of_value, entries) MAP(BPF_MAP_TYPE_LPM_TRIE, name, key, size_of_value, entries, sparse)
#define PER_CPU(name, size_of_value, entries) MAP(BPF_MAP_TYPE_PERCPU_ARRAY, name, 4, size_of_value, entries, none)
#define RING(name, bytes)                                                                                              \
	struct {                                                                                                       \
		__uint(type, BPF_MAP_TYPE_RINGBUF);                                                                    \
		__uint(max_entries, bytes);                                                                            \
	} name SEC(".maps")
#define METERS(name, entries)                                                                                          \
	struct {                                                                                                       \
		__uint(type, BPF_MAP_TYPE_ARRAY);                                                                      \
		__type(key, u32);                                                                                      \
		__type(value, struct meter);                                                                           \
		__uint(max_entries, entries);                                                                          \
	} name SEC(".maps")
enum { flags_none = 0, flags_sparse = BPF_F_NO_PREALLOC };
