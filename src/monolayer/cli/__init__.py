"""The command line: one file a command, and console.py as the only door to the terminal."""
