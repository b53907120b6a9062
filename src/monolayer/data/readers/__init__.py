"""Data of one's own: one file a kind of source, each a line in ``READERS`` (see ``reading.py``)."""
