// The v1model architecture, as the reference software switch (simple_switch) implements it.

#ifndef _V1_MODEL_P4_
#define _V1_MODEL_P4_   // outside programs ask for this name

#include <core.p4>

#ifndef V1MODEL_VERSION
#define V1MODEL_VERSION 20180101
#endif
#define __v1model_version V1MODEL_VERSION

match_kind {
    range,
    optional,
    selector      // not matched: input of an action selector's hash
}

#if V1MODEL_VERSION >= 20200408
typedef bit<9> PortId_t;
#endif

@metadata
@name("standard_metadata")
struct standard_metadata_t {
    bit<9>  ingress_port;
    bit<9>  egress_spec;               // where the packet is to go; 511 drops it
    bit<9>  egress_port;               // where it goes, known in egress
    bit<32> instance_type;             // 0 normal, 1 ingress clone, 2 egress clone, 4 recirculated, 5 replica, 6 resubmitted
    bit<32> packet_length;             // bytes as it came in
    @alias("queueing_metadata.enq_timestamp")
    bit<32> enq_timestamp;             // microseconds
    @alias("queueing_metadata.enq_qdepth")
    bit<19> enq_qdepth;
    @alias("queueing_metadata.deq_timedelta")
    bit<32> deq_timedelta;             // microseconds
    @alias("queueing_metadata.deq_qdepth")
    bit<19> deq_qdepth;
    @alias("intrinsic_metadata.ingress_global_timestamp")
    bit<48> ingress_global_timestamp;  // microseconds
    @alias("intrinsic_metadata.egress_global_timestamp")
    bit<48> egress_global_timestamp;   // microseconds
    @alias("intrinsic_metadata.mcast_grp")
    bit<16> mcast_grp;                 // multicast group; 0 for none
    @alias("intrinsic_metadata.egress_rid")
    bit<16> egress_rid;                // which copy of a multicast group's this is
    bit<1>  checksum_error;            // 1 after a verify_checksum that failed
    error   parser_error;
    @alias("intrinsic_metadata.priority")
    bit<3>  priority;                  // queue
}

enum CounterType {
    packets,
    bytes,
    packets_and_bytes
}

enum MeterType {
    packets,
    bytes
}

enum HashAlgorithm {
    crc32,
    crc32_custom,
    crc16,
    crc16_custom,
    random,
    identity,
    csum16,
    xor16
}

enum CloneType {
    I2E,    // from ingress: the packet as it came
    E2E     // from egress: the packet as it leaves
}

#define V1MODEL_METER_COLOR_GREEN  0
#define V1MODEL_METER_COLOR_YELLOW 1
#define V1MODEL_METER_COLOR_RED    2

// Counters by index; an index of size or more counts nothing.
#if V1MODEL_VERSION >= 20200408
extern counter<I> {
    counter(bit<32> size, CounterType type);
    void count(in I index);
}
#else
extern counter {
    counter(bit<32> size, CounterType type);
    void count(in bit<32> index);
}
#endif

// Counters by table entry (property `counters`); every hit counts, called or not.
extern direct_counter {
    direct_counter(CounterType type);
    void count();
}

// Two-rate three-colour markers by index.
#if V1MODEL_VERSION >= 20200408
extern meter<I> {
    meter(bit<32> size, MeterType type);
    void execute_meter<T>(in I index, out T result);
}
#else
extern meter {
    meter(bit<32> size, MeterType type);
    void execute_meter<T>(in bit<32> index, out T result);
}
#endif

// The same by table entry (property `meters`).
extern direct_meter<T> {
    direct_meter(MeterType type);
    void read(out T result);
}

// State that lasts from packet to packet.
#if V1MODEL_VERSION >= 20200408
extern register<T, I> {
    register(bit<32> size);
    @noSideEffects
    void read(out T result, in I index);
    void write(in I index, in T value);
}
#else
extern register<T> {
    register(bit<32> size);
    @noSideEffects
    void read(out T result, in bit<32> index);
    void write(in bit<32> index, in T value);
}
#endif

// Table property `implementation`: entries name members that several may share.
extern action_profile {
    action_profile(bit<32> size);
}

// The same with groups, of which a hash of the selector keys takes one member.
extern action_selector {
    action_selector(HashAlgorithm algorithm, bit<32> size, bit<32> outputWidth);
}

@deprecated("Please use verify_checksum/update_checksum instead.")
extern Checksum16 {
    Checksum16();
    bit<16> get<D>(in D data);
}

// A number from lo to hi, both included.
extern void random<T>(out T result, in T lo, in T hi);

// Sends data to the controller; a struct's name is the message's.
extern void digest<T>(in bit<32> receiver, in T data);

// egress_spec 511, mcast_grp 0.
@deprecated("Please use mark_to_drop(standard_metadata) instead.")
extern void mark_to_drop();
@pure
extern void mark_to_drop(inout standard_metadata_t standard_metadata);

// base + (hash of data) % max, or base where max is 0.
@pure
extern void hash<O, T, D, M>(out O result, in HashAlgorithm algo, in T base, in D data, in M max);

// Sets checksum_error if condition holds and the checksum is another.
extern void verify_checksum<T, O>(in bool condition, in T data, in O checksum, HashAlgorithm algo);
// Sets the checksum if condition holds.
@pure
extern void update_checksum<T, O>(in bool condition, in T data, inout O checksum, HashAlgorithm algo);
// With all that the parser did not extract, behind the data.
extern void verify_checksum_with_payload<T, O>(in bool condition, in T data, in O checksum, HashAlgorithm algo);
@noSideEffects
extern void update_checksum_with_payload<T, O>(in bool condition, in T data, inout O checksum, HashAlgorithm algo);

// When ingress ends, the packet as it came enters again; members with @field_list(index) keep their values.
extern void resubmit_preserving_field_list(bit<8> index);
// When egress ends, the packet as it is enters again.
extern void recirculate_preserving_field_list(bit<8> index);
// A copy for a clone session's ports.
extern void clone(in CloneType type, in bit<32> session);
extern void clone_preserving_field_list(in CloneType type, in bit<32> session, bit<8> index);

// The older forms: what is kept is listed in place.
extern void resubmit<T>(in T data);
extern void recirculate<T>(in T data);
extern void clone3<T>(in CloneType type, in bit<32> session, in T data);

// What leaves is at most so many bytes.
extern void truncate(in bit<32> length);

// For model checkers and simulation.
extern void assert(in bool check);
extern void assume(in bool check);
extern void log_msg(string msg);
extern void log_msg<T>(string msg, in T data);

parser Parser<H, M>(packet_in b,
                    out H parsedHdr,
                    inout M meta,
                    inout standard_metadata_t standard_metadata);

control VerifyChecksum<H, M>(inout H hdr,
                             inout M meta);

@pipeline
control Ingress<H, M>(inout H hdr,
                      inout M meta,
                      inout standard_metadata_t standard_metadata);

@pipeline
control Egress<H, M>(inout H hdr,
                     inout M meta,
                     inout standard_metadata_t standard_metadata);

control ComputeChecksum<H, M>(inout H hdr,
                              inout M meta);

@deparser
control Deparser<H>(packet_out b, in H hdr);

package V1Switch<H, M>(Parser<H, M> p,
                       VerifyChecksum<H, M> vr,
                       Ingress<H, M> ig,
                       Egress<H, M> eg,
                       ComputeChecksum<H, M> ck,
                       Deparser<H> dep);

#endif
