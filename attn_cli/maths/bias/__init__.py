"""What is added to the scores, by where query and key stand. One module each, one signature.

    biased = scores + (score_bias + alibi + relative_bias)

Each is asked about a `Place` and answers with (len(i) x len(j)) numbers, or what broadcasts to it.
"""
