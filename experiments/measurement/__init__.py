"""From the captures of a run to its tables and its public result."""
