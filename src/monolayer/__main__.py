"""``python -m monolayer`` is the command ``monolayer``."""

from monolayer.cli.main import main

main()
