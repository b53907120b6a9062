"""Formats that a network can be exported to, one file for each format."""
