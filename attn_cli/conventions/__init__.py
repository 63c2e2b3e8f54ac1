"""Conventions in which correct implementations of attention differ, as data.

A knob is one such question with its possible answers, and a preset the answers of one system. The
conventions of one problem are read by `attn_cli.reading.conventions_reader`. Nothing here computes
or imports numpy.
"""
