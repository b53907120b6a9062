"""Using a trained network: what it is given, what it answers, and where the answers go."""
