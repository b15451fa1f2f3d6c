"""Federation of MEC systems: bodies and rules, without sockets; clock and random source are arguments."""
