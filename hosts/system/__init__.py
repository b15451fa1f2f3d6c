"""Linux calls and netlink that the programs on hosts need."""
