"""The pure core of the lab: scenarios, plans, policy, steering and the definitions of metrics.

Nothing in this package opens a socket, starts a process or reads a file; the clock and the
random source are arguments.
"""

VERSION = "0.2.0"
