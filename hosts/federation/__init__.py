"""Federation managers and broker: HTTPS interfaces, their clients, and what both are made of."""
