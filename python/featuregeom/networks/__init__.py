"""Torch met once: the guard of the extra, and what must hold before a module is taken as a function of one input.

`codes`, `regions`, `plateaus` and `encoder` build on this room, and not on each other's dealings with torch.
"""
