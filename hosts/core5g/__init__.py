"""Two functions of the 5G core that edge discovery needs: the EASDF, a DNS server that the session function rules,
and the session function, which makes local breakout follow what devices look up (TS 23.548, TS 29.556).

Rules, contexts, DNS messages and the sessions' state have no sockets; what asks, answers and tells is beside them.
"""
