"""Sections of the reference, one per entry of a registry: formula in LaTeX, meaning, parameters."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from attn_cli.formula import Formula
    from attn_cli.maths.parameter import Parameter


def list_steps() -> None:
    """Print a section per step."""
    from attn_cli.maths.catalogue import catalogue

    for step in catalogue():
        print(f"### {step.name}\n\n{_sentence(step.meaning)}\n")
        _print_formula(step.expression)
        _print_facts(
            ("axes", " x ".join(step.axes)),
            ("shape", " x ".join(step.shape)),
            ("there if", step.condition or "always"),
            ("computed from", _links(step.reads)),
            ("read by", _links(step.read_by)),
            ("also called", ", ".join(step.aliases)),
            ("in tables", "only if asked for: `--show " + step.name + "`" if step.aside else ""),
        )


def list_scores() -> None:
    """Print a section per score function."""
    from attn_cli.maths.scores import SCORES

    for score in SCORES:
        print(f"### {score.name}\n\n{score.explanation}\n")
        _print_formula(score.formula)
        _print_definition(SCORES.module(score.name))
        _print_parameters(score.parameters)
        _print_facts(
            ("in a problem file", _as_key("score", score.name, score.parameters)),
            ("d_q and d_k", "equal" if score.equal_depth else "may differ"),
            ("`attn train`", "has a gradient" if score.backward else "refuses it"),
            ("reference", score.reference),
        )


def list_normalizers() -> None:
    """Print a section per normaliser."""
    from attn_cli.maths.normalizers import NORMALIZERS

    for entry in NORMALIZERS:
        print(f"### {entry.name}\n\n{entry.explanation}\n")
        _print_formula(entry.formula, "weights")
        if entry.lse is not None:
            _print_formula(entry.lse, "lse")
        _print_definition(NORMALIZERS.module(entry.name))
        _print_parameters(entry.parameters)
        _print_facts(
            ("in a problem file", _as_key("normalize", entry.name, entry.parameters)),
            ("`attn train`", "has a gradient" if entry.backward else "refuses it"),
            ("reference", entry.reference),
        )


# What is neither a score function, a normaliser nor a step: its heading, its module, and the names
# by which readers look for it: keys of a problem and common names.
DEFINITIONS = {
    "Positions of queries and keys": ("attn_cli.maths.token_positions", "offset"),
    "Sinusoidal and learned positions": ("attn_cli.maths.positions", "positions"),
    "Rotary positions": ("attn_cli.maths.rope", "rope, RoPE, NTK, YaRN"),
    "Causal order": ("attn_cli.maths.visible.causal", "causal, prefix"),
    "Windows": ("attn_cli.maths.visible.window", "window, sink_tokens"),
    "Lengths": ("attn_cli.maths.visible.length", "key_lengths"),
    "Left padding": ("attn_cli.maths.visible.start", "key_start"),
    "Documents": ("attn_cli.maths.visible.document", "documents"),
    "ALiBi": ("attn_cli.maths.bias.alibi", "alibi"),
    "Relative bias of T5": ("attn_cli.maths.bias.relative", "relative_bias"),
    "Soft cap, bias and mask": (
        "attn_cli.maths.adjustments",
        "softcap, score_bias, mask, mask_fill, order",
    ),
    "From scores to weights": ("attn_cli.maths.rules", "top_k, temperature, empty_rows, dropout"),
    "Key heads of query heads": ("attn_cli.maths.heads", "heads, kv_heads, grouping, GQA, MQA"),
    "QK norm": ("attn_cli.maths.norm", "qk_norm"),
    "Gate on the output": ("attn_cli.maths.gate", "output_gate"),
    "After the weighted sum": ("attn_cli.maths.after", "residual, layer_norm, feed_forward"),
    "Activations": ("attn_cli.maths.activations", "relu, gelu, gelu_tanh, tanh, identity"),
    "The next word": ("attn_cli.maths.next_word", "next_word"),
    "The answer": ("attn_cli.maths.answer", "answer"),
}


def list_definitions() -> None:
    """Print a section per rule that is neither a score function, a normaliser nor a step."""
    for heading, (module, _) in DEFINITIONS.items():
        print(f"## {heading}\n")
        _print_definition(module, whole=True)
        if heading == "Rotary positions":
            _print_scalings()


def _print_scalings() -> None:
    """Print the parameters of each scaling of rope."""
    from attn_cli.maths.rope import SCALINGS

    print("Parameters of `rope.scaling`, next to `kind`:\n")
    for name, kind in SCALINGS.items():
        print(f"- {name}")
        for each in kind.parameters:
            print(f"  - `{each.signature}`: {each.meaning}{_default(each.default)}")
    print()


def _default(value: object) -> str:
    if value is None:
        return ""
    return f" (default: {str(value).lower() if isinstance(value, bool) else f'{value:g}'})"


def _print_definition(module: str, *, whole: bool = False) -> None:
    """Print the docstring of a module, without its first line, which the page has in its own words.

    Names of modules become the headings of their sections.
    """
    text = inspect.getdoc(import_module(module)) or ""
    for heading, (other, _) in DEFINITIONS.items():
        text = text.replace(f"`{other.removeprefix('attn_cli.')}`", f'"{heading}"')
    _, _, rest = text.partition("\n\n")
    shown = text if whole else rest
    if shown:
        print(f"```text\n{shown}\n```\n")


def index_of_formulas() -> None:
    """Print links to the section of every formula."""
    from attn_cli.lab.statistics_columns import OF_HEADS, OF_QUERIES
    from attn_cli.maths.catalogue import catalogue
    from attn_cli.maths.normalizers import NORMALIZERS
    from attn_cli.maths.scores import SCORES

    kinds = {
        "Score functions": ((name, f"scores.md#{name}") for name in SCORES.names),
        "Normalisers": ((name, f"normalizers.md#{name}") for name in NORMALIZERS.names),
        "Steps": ((step.name, f"steps.md#{step.name}") for step in catalogue()),
        "Statistics of weights": (
            (column.name, "statistics.md#definitions")
            for column in OF_HEADS
            if column in OF_QUERIES
        ),
    }
    for kind, links in kinds.items():
        print(f"- {kind}: {', '.join(f'[{name}]({link})' for name, link in links)}")
    print("- [Scale of the scores](scores.md#score-functions): scale, scale_placement")
    print("- Positions, masks, biases, norms:")
    for heading, (_, names) in DEFINITIONS.items():
        anchor = heading.lower().replace(" ", "-").replace(",", "")
        print(f"  - [{heading}](definitions.md#{anchor}): {names}")


def list_formulas() -> None:
    """Print every formula, with a link to its section, by the order of a computation."""
    from attn_cli.maths.catalogue import catalogue
    from attn_cli.maths.normalizers import NORMALIZERS
    from attn_cli.maths.scores import SCORES

    print("## Score functions\n")
    for score in SCORES:
        print(f"[`{score.name}`](scores.md#{score.name}): {_first_sentence(score.explanation)}\n")
        _print_formula(score.formula)
    print("## Normalisers\n")
    for entry in NORMALIZERS:
        link = f"[`{entry.name}`](normalizers.md#{entry.name})"
        print(f"{link}: {_first_sentence(entry.explanation)}\n")
        _print_formula(entry.formula, "weights")
    print("## Steps\n")
    for step in catalogue():
        print(f"[`{step.name}`](steps.md#{step.name}): {_sentence(step.meaning)}\n")
        _print_formula(step.expression)


def list_knobs() -> None:
    """Print a section per question on which systems disagree: its answers, and who gives which."""
    from attn_cli.conventions.knobs import KNOBS, text
    from attn_cli.conventions.presets import PRESETS
    from docs._make.tables import print_table

    for knob in KNOBS.values():
        default = "attn asks" if knob.default is None else f"by default `{text(knob.default)}`"
        print(f"### {knob.name}\n\n{_sentence(knob.question)} ({default})\n")
        print_table(
            ("answer", "meaning", "presets"),
            (
                (
                    f"`{value}`",
                    meaning,
                    ", ".join(
                        f"`{name}`"
                        for name, preset in PRESETS.items()
                        if knob.name in preset.settings
                        and text(preset.settings[knob.name]) == value
                    ),
                )
                for value, meaning in knob.values.items()
            ),
        )
        print()


def list_presets() -> None:
    """Print a section per preset: what it describes, its notes and its sources."""
    from attn_cli.conventions.knobs import text
    from attn_cli.conventions.presets import PRESETS

    for preset in PRESETS.values():
        print(f"### {preset.name}\n\n{preset.title}, {preset.version}.\n")
        settings = [f"{name}: {text(value)}" for name, value in preset.settings.items()]
        print("```yaml\n" + "\n".join(settings) + "\n```\n")
        for note in preset.notes:
            print(f"- {note}")
        if preset.notes:
            print()
        print(f"Sources: {'; '.join(preset.sources)}.\n")


def _print_formula(formula: Formula, name: str = "") -> None:
    equals = rf"\mathrm{{{name}}} = " if name else ""
    print(f"$$\n{equals}{formula.latex()}\n$$\n")
    print(f"`{f'{name} = ' if name else ''}{formula}`\n")


def _print_parameters(parameters: Iterable[Parameter]) -> None:
    lines = [f"- `{each.signature}`: {each.meaning}" for each in parameters]
    if lines:
        print("Parameters:\n\n" + "\n".join(lines) + "\n")


def _print_facts(*facts: tuple[str, str]) -> None:
    print("\n".join(f"- {name}: {value}" for name, value in facts if value) + "\n")


def _as_key(key: str, name: str, parameters: tuple[Parameter, ...]) -> str:
    needed = [f"{each.name}: ..." for each in parameters if not each.optional]
    return (
        f"`{key}: {{{', '.join([f'function: {name}', *needed])}}}`"
        if needed
        else f"`{key}: {name}`"
    )


def _links(names: Iterable[str]) -> str:
    return ", ".join(f"[{name}](#{name})" for name in names)


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:] + ("" if text.endswith(("?", ".")) else ".")


def _first_sentence(text: str) -> str:
    first = text.split(". ", maxsplit=1)[0].removesuffix(".")
    return f"{first}."
