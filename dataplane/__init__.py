"""P4 for the lab: its programs, their compiler to eBPF, and the switch that runs them and speaks P4Runtime."""
