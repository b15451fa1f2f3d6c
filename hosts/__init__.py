"""Programs that run on emulated hosts and devices, and the process that forks them."""
