"""Biases: numbers added to the scores, by the positions of query and key. One module each.

    biased = scores + (score_bias + alibi + relative_bias)

Each maps a `Place` to an array (len(i) x len(j)), or to one that broadcasts to it.
"""
