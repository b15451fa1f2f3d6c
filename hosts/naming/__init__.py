"""The domain name system of the lab: codec, zones, rules, answers and the sockets that carry them.

`adns` answers for the application's zone, `ldns` does so on a MEC host and forwards the rest. What decides and
encodes has no sockets; dnslib reads and writes every message whose answer is not kept as an image of bytes.
"""
