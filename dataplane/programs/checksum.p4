/* Checksums are changed by what changed (RFC 1624 equation 3), not computed anew: options and payload need not be read,
 * and a checksum that was wrong stays wrong. */

control EdgeVerifyChecksum(inout headers_t hdr, inout metadata_t meta) {
    apply { }
}

control EdgeComputeChecksum(inout headers_t hdr, inout metadata_t meta) {
    apply {
        update_checksum(
            hdr.ipv4.isValid() && meta.hop,
            {
                ~hdr.ipv4.checksum,
                ~(meta.ttl_before ++ hdr.ipv4.protocol),
                hdr.ipv4.ttl ++ hdr.ipv4.protocol
            },
            hdr.ipv4.checksum,
            HashAlgorithm.csum16);
    }
}
