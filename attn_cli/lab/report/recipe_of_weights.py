"""The recipe of the weights, by the normaliser."""

from __future__ import annotations

import numpy as np

from attn_cli.lab.derivation.sources import MOST_TERMS
from attn_cli.lab.report.entries import Entries, at_step
from attn_cli.lab.report.recipe import Numbers, Source
from attn_cli.maths.exponentials import limit
from attn_cli.maths.pairs import last_of_scores
from attn_cli.maths.rules import KINDS
from attn_cli.maths.stage import StepSpec


def weights(entries: Entries, _spec: StepSpec) -> Numbers:
    """Return where the numbers of a weight are, and which facts choose its template."""
    rules, last = entries.problem.rules, last_of_scores(entries.problem)
    slots: dict[str, Source] = {"s": at_step(last), "z": ["seen", last]}
    facts: dict[str, Source] = {"hidden": ["unseen"]} if entries.hides else {}
    facts |= _empty(entries)
    if "empty=uniform" in facts:
        slots["n_k"] = float(max(entries.problem.n_k, 1))
    always: set[str] = set()
    if rules.temperature is not None:
        slots["T"] = entries.per_head(lambda head: rules.temperature_of(head) or 1.0)
        always |= {"temperature"}
    heads = [rules.of_head(entries.problem.entry(lead)[1]) for lead in entries.leads]
    sinks = rules.normalizer.sinks
    of_heads = [None if sinks is None else sinks(parameters) for parameters in heads]
    name = rules.normalizer.name
    if name == "entmax":
        of_heads = [() if parameters["alpha"] == 1 else None for parameters in heads]
    if None not in of_heads and of_heads:
        return _softmax(entries, slots, facts, of_heads)  # type: ignore[arg-type]
    if any(each is not None for each in of_heads):
        return Numbers()  # some heads are softmax, some are not
    always |= {f"normalize={name}"}
    slots |= _parameters(name, entries)
    return Numbers(frozenset(always), facts, slots)


def _empty(entries: Entries) -> dict[str, Source]:
    """Return the facts of rows that see no key."""
    rules = entries.problem.rules
    lonely = entries.lonely
    if not lonely.any():
        return {}
    kinds = np.array(
        [rules.kinds(row, at) for row, at in zip(lonely, entries.places(), strict=True)]
    )
    kinds[~lonely] = 0
    part = entries.part("empty", ("lead", "query"), kinds.astype(np.float64))
    entries.empty = part[1]
    here = {KINDS[code]: int(code) for code in np.unique(kinds)}
    return {
        f"empty={kind}": ["coded", part[1], here[kind]]
        for kind in ("zero", "nan", "uniform")
        if kind in here
    }


def _softmax(
    entries: Entries,
    slots: dict[str, Source],
    facts: dict[str, Source],
    sinks: list[tuple[float, ...]],
) -> Numbers:
    problem = entries.problem
    most = float(limit(problem.precision, problem.n_k))
    least: Source = "-inf"
    if sinks[0]:
        values = np.array([each[0] for each in sinks], np.float64)
        least = slots["sink"] = entries.part("sink", ("lead",), values)
    divided = ["calc", "<z>[ / <T>]"]
    # What is subtracted from all scores, and whether it has to be: 0 if there is nothing.
    slots["largest"] = ["max", divided, least]
    facts["shift"] = ["more", ["calc", "max(<largest>, -<largest>)"], most]
    if problem.n_k > MOST_TERMS:
        facts["long"] = ["more", ["count"], float(MOST_TERMS)]
        slots["lse"] = ["either", at_step("lse"), ["calc", "log(<sum>)[ + <m>]"]]
        slots["keys"] = ["count"]
    if sinks[0] and all(each[0] == 0 for each in sinks):
        facts["sink=1"] = ["not", "shift"]
    slots["m"] = _at_slot("largest")
    if "exp_scores" in entries.specs:  # else the fraction is not worked out further
        slots["e"] = ["calc", "exp(<s>[ / <T>][ - <m>])"]
    slots["each"] = ["calc", "exp(<z>[ / <T>][ - <m>])"]
    slots["all"] = ["sum", _at_slot("each")]
    slots["sum"] = ["calc", "<all>[ + exp(<sink>[ - <m>])]"]
    return Numbers(frozenset(("exponential",)), facts, slots, {"m": "shift"})


def _at_slot(name: str) -> Source:
    return ["calc", f"<{name}>"]


def _parameters(name: str, entries: Entries) -> dict[str, Source]:
    """Return what the templates of the other normalisers read: parameters, and tau."""
    rules = entries.problem.rules
    if name == "sparsemax":
        return {
            "z": ["above0", ["seen", last_of_scores(entries.problem)], ["seen", "weights"]],
            "k": ["many", _at_slot("z")],
        }
    if name in {"entmax15", "entmax"}:
        alpha = (
            1.5
            if name == "entmax15"
            else entries.per_head(lambda head: float(rules.of_head(head)["alpha"]))
        )
        return {
            "alpha": alpha,
            "top": ["max", ["calc", "<z>[ / <T>]"], "-inf"],
            "heaviest": ["max", ["seen", "weights"], "-inf"],
            "tau": ["calc", "(<alpha> - 1)*<top> - <heaviest>^(<alpha> - 1)"],
        }
    plain = {"bias": 0.0, "divisor": 1.0}  # have no place in the arithmetic
    found = {}
    for parameter, without in plain.items():
        if parameter in rules.of_head(0):

            def of(head: int, name: str = parameter) -> float:
                return float(rules.of_head(head)[name])

            value = entries.per_head(of)
            if value != without:
                found[parameter] = value
    return found
