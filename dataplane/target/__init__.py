"""A switch that runs a compiled program on its ports and speaks P4Runtime."""
