"""The SDN controller: intents become flow rules (pure), which one adapter brings to the switches by OpenFlow.

`intents` holds what is wanted, `rules` what that means for each switch, `transaction` in which order switches change;
`openflow` and `application` speak to switches, `northbound` and `server` to the orchestrator.
"""
