"""Fuzzing: inputs that nobody wrote, for every reader, by `make fuzz`.

Two outcomes are right: the input is read, or AttnError says where it is wrong and how. All else is
a finding: another exception, a hang, too much memory, a file that was written, a message that could
move the cursor of a terminal or says no place.

    corpus      valid inputs of every kind, which mutations begin with
    mutate      changes of bytes and of trees, drawn from a seed
    readers     which part of the package reads an input, one entry for each kind
    judge       what is right for one input, and its limits
    hunt        the loop: draws, judges, counts, and saves what it finds
    drawn       the laws of the suite with other examples: Hypothesis at random
"""
