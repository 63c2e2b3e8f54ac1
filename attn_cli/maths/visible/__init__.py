"""May query i see key j? Causal order, windows, lengths, documents, masks. One module each.

    seen     = every scheme lets query i see key j
    visible  = 0 if seen, else the code of the first reason why not

Each scheme is independent of the others, and a function of a `Place`.
"""
