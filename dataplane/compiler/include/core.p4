// What every P4_16 architecture shares (specification 1.2.5, appendix D).

#ifndef _CORE_P4_
#define _CORE_P4_   // outside programs ask for this name

error {
    NoError,             // all is well
    PacketTooShort,      // the packet ends before what is extracted
    NoMatch,             // no case of a select holds
    StackOutOfBounds,    // a header stack has no such element
    HeaderTooShort,      // an extracted length is more than a header can hold
    ParserTimeout,       // the parser took too long
    ParserInvalidArgument
}

match_kind {
    exact,
    ternary,
    lpm
}

// A packet as the parser reads it.
extern packet_in {
    // Fills a header from the packet, makes it valid and moves on behind it.
    void extract<T>(out T hdr);
    // The same for a header with a varbit member, which takes so many bits.
    void extract<T>(out T variableSizeHeader, in bit<32> variableFieldSizeInBits);
    // Reads without moving on.
    T lookahead<T>();
    // Moves on by so many bits.
    void advance(in bit<32> sizeInBits);
    // Bytes of the packet.
    bit<32> length();
}

// A packet as the deparser writes it.
extern packet_out {
    // Appends a header if it is valid; of a struct or stack each valid header in order.
    void emit<T>(in T hdr);
}

// The parser rejects the packet with this error unless the condition holds.
extern void verify(in bool check, in error toSignal);

// Does nothing.
@noWarn("unused")
action NoAction() {}

// Stops the compiler with the message unless the condition holds.
extern bool static_assert(bool check, string message);
extern bool static_assert(bool check);

#endif
