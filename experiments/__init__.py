"""The user's side of the lab: command line, runner, capture, measurement, report, scenarios and benchmarks."""
