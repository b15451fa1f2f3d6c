// Stages that do nothing.

#define NO_VERIFY(H, M)  control NoVerify(inout H hdr, inout M meta) { apply { } }
#define NO_COMPUTE(H, M) control NoCompute(inout H hdr, inout M meta) { apply { } }
#define NO_EGRESS(H, M)  control NoEgress(inout H hdr, inout M meta, inout standard_metadata_t standard_metadata) { \
                             apply { } \
                         }
