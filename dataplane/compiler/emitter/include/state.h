/* One packet's state, in a per-CPU map: a BPF stack has 512 bytes, and the verifier does not follow what is in maps.
 *
 * The program's own text has defined before this: its types, `struct locals`, FRONT_LIMIT (bytes that the parser can
 * need), OUTPUT_LIMIT (bytes that the deparser can write), SCRATCH_SIZE and USES_COPIES. */

/* Set before loading: packets come behind a shim of 14 bytes that begins with the port, and leave by `outputs`. */
const volatile u32 testing SEC(".rodata.config") = 0;
#define BASE (testing ? 14 : 0)

enum { DROP_PORT = 511, PORT_COUNT = 512, MAXIMUM_PACKET = 2048, MAXIMUM_REPLICAS = 256, MAXIMUM_PASSES = 8 };
enum drop { PROGRAM, UNKNOWN_INTERFACE, NO_PORT, TOO_SHORT, TOO_LONG, TOO_OFTEN, OFFLOADED, DROP_KINDS };
enum instance { NORMAL, INGRESS_CLONE, EGRESS_CLONE, COALESCED, RECIRCULATED, REPLICATED, RESUBMITTED };

#define ROUNDED(bytes) (((bytes) + 7) / 8 * 8)
#define FRONT_SIZE ROUNDED(FRONT_LIMIT + 8)
#define OUTPUT_SIZE ROUNDED(OUTPUT_LIMIT + 8)
/* Packets that are copied or get shorter are at most so long. */
#define WHOLE_LIMIT 9728

/* What a packet has that its copies have too. */
struct context {
	struct validity validity;
	struct metadata metadata;
	u32 length;		 /* as it came in */
	u32 offset;		 /* where the parser is, or has ended: what follows is payload */
	u32 truncate;		 /* at most so many bytes leave */
	u32 clone_list;		 /* number of the field list, from 1 on; 0: no clone */
	u32 clone_session;
	u32 resubmit_list;	 /* likewise */
	u32 recirculate_list;	 /* likewise */
	u32 passes;		 /* how often it has been sent back to the parser */
	struct headers headers;
};

struct state {
	u32 loaded; /* bytes in `front` */
	u32 out;    /* bytes in `output` */
	u32 parser_state;
	u32 jobs, job, replica; /* jobs of this packet, the one that is done, and its next copy */
	u32 colour;		/* of the direct meter of the entry that was hit */
	u32 payload_summed;
	u64 payload_sum;
	u64 now; /* CLOCK_MONOTONIC, ns; 0 until it is asked */
	u32 best, mask;
	u32 error;
	struct context c;
	struct locals l;
	u8 key[ROUNDED(KEY_SIZE) + 8], masked[ROUNDED(KEY_SIZE) + 8];
	u64 record[RECORD_SIZE / 8 + 1];
	u8 scratch[ROUNDED(SCRATCH_SIZE) + 16];
	u8 front[FRONT_SIZE];
	u8 output[OUTPUT_SIZE];
	u8 room[64];
};

/* What a callback of bpf_loop gets. */
struct walk {
	struct state *s;
	struct __sk_buff *skb;
};

PER_CPU(states, sizeof(struct state), 1);
ARRAY(ports, 4, PORT_COUNT);
HASH(port_numbers, 4, 4, 1024);
ARRAY(drops, 8, DROP_KINDS);
RING(outputs, 262144);

/* Where copies go: ports of multicast groups and of clone sessions. */
struct replica {
	u32 port, instance;
};
struct group {
	u32 count;
	struct replica replicas[MAXIMUM_REPLICAS];
};
struct session {
	u32 length;
	struct group group;
};
SPARSE(multicast, 4, sizeof(struct group), 1024);
SPARSE(clones, 4, sizeof(struct session), 1024);

INLINE struct state *state_of_packet(void)
{
	u32 first = 0;
	return bpf_map_lookup_elem(&states, &first);
}

INLINE void count_drop(u32 why)
{
	u64 *packets = bpf_map_lookup_elem(&drops, &why);
	if (packets)
		__sync_fetch_and_add(packets, 1);
}

INLINE u64 now_ns(struct state *s)
{
	if (!s->now)
		s->now = bpf_ktime_get_ns();
	return s->now;
}

INLINE u64 now_us(struct state *s) { return (now_ns(s) / 1000) & 0xffffffffffffull; }

/* Sums up what is behind the parsed headers; `odd`: it begins at an odd place of what is summed. */
struct payload_walk {
	struct state *s;
	struct __sk_buff *skb;
	u32 at, left;
	u32 sum;
};

#define CHUNK 256
INLINE u32 min32(u32 a, u32 b) { return a < b ? a : b; }

struct chunk {
	u8 bytes[CHUNK];
};
PER_CPU(chunks, sizeof(struct chunk), 1);
