"""What the README shows is generated: `make docs` writes it, `make check` says when it drifts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


def show(*commands: str) -> None:
    """Print a console block: each command, and what it prints."""
    print("```console")
    for command in commands:
        print(f"$ {command}")
        print(output(command).rstrip("\n"))
    print("```")


def output(command: str) -> str:
    """Run one shell line with `attn` on the path, and return both its streams."""
    scrubbed = {k: v for k, v in os.environ.items() if k not in {"NO_COLOR", "FORCE_COLOR"}}
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    ran = subprocess.run(
        command,
        shell=True,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        env={**scrubbed, "PATH": path, "COLUMNS": "80"},
    )
    return ran.stdout


def table_of_keys() -> None:
    """Print the keys of a problem file."""
    from attn_cli.reading.keys import KEYS

    print("| key | meaning |\n| --- | --- |")
    for key, meaning in KEYS.items():
        print(f"| `{key}` | {meaning.replace('|', chr(92) + '|')} |")


def table_of_scores() -> None:
    """Print the score functions."""
    from attn_cli.maths.scores import SCORES

    print("| name | score | parameters | reference |\n| --- | --- | --- | --- |")
    for score in SCORES:
        parameters = "<br>".join(f"`{p.signature}`" for p in score.parameters)
        formula = str(score.formula).replace("|", "\\|")
        name = f"`{score.name}`" + " (default)" * (score.name == SCORES.default)
        print(f"| {name} | {formula} | {parameters} | {score.reference} |")


def table_of_normalizers() -> None:
    """Print the normalisers."""
    from attn_cli.maths.normalizers import NORMALIZERS

    print("| name | weights | parameters | reference |\n| --- | --- | --- | --- |")
    for entry in NORMALIZERS:
        parameters = "<br>".join(f"`{p.signature}`" for p in entry.parameters)
        name = f"`{entry.name}`" + " (default)" * (entry.name == NORMALIZERS.default)
        print(f"| {name} | {entry.formula} | {parameters} | {entry.reference} |")


def table_of_steps() -> None:
    """Print the steps."""
    from attn_cli.maths.catalogue import catalogue

    print("| step | shape | formula, usually | there if |\n| --- | --- | --- | --- |")
    for step in catalogue():
        shape, condition = " x ".join(step.shape), step.condition or "always"
        print(f"| `{step.name}` | {shape} | {step.formula} | {condition} |")


def table_of_formats() -> None:
    """Print the output formats."""
    from attn_cli.views import FORMATS

    print("| format | suffix | holds | options |\n| --- | --- | --- | --- |")
    for name, form in FORMATS.items():
        holds = "one step" if form.one_step else "all steps"
        options = ", ".join(f"`--{option}`" for option in form.options)
        print(f"| `{name}` | {', '.join(form.suffixes)} | {holds} | {options} |")


def table_of_benchmarks() -> None:
    """Print what `make bench` measured last, in short."""
    from benchmarks.results import table_for_readme

    print(table_for_readme(), end="")
