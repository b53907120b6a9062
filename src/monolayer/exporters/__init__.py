"""A network in the formats of others, one file a format, each written whole and only when it answers as the network."""
