"""May query i see key j? Causal order, windows, lengths, documents, masks. One module each.

    seen     = all schemes say so
    visible  = 0 where seen, else the code of the first reason why not

Each scheme stands alone and is asked about a `Place`.
"""
