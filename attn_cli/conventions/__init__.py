"""What correct implementations of attention disagree about, and what each of them does: as data.

A knob is one such question with its possible answers, a preset the answers of one system, and
`Conventions` what holds for one problem: its own keys, else its preset, else what attn does.
Nothing here computes, and nothing here needs numpy.
"""
