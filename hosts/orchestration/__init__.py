"""The orchestrator (MEO): what it knows, how it decides, and how its decisions reach everybody."""
