"""The data room: datasets, their splits and scaling, and the ways they reach the machine."""
