"""From a plan to a running network: sandbox, Mininet nodes, Open vSwitch, wired links and the air."""
