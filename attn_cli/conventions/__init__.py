"""What correct implementations of attention disagree about, and what each of them does: as data.

A knob is one such question with its possible answers, and a preset the answers of one system. What
holds for one problem is read by `attn_cli.reading.conventions_reader`. Nothing here computes, and
nothing here needs numpy.
"""
