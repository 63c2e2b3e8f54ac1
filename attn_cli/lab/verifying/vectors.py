"""Test vectors: the cases as arrays with a manifest, and outputs made elsewhere judged by them.

    manifest.json
    CASE/q.npy, k.npy, v.npy, mask.npy, ...     what the function gets
    CASE/expected/STEP.npy                      every step, and output and lse among them
    CASE/output.npy, CASE/lse.npy               what the function gave: written by its caller

Inputs are float32 (masks bool, key_lengths int64), and every type holds them exactly.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from attn_cli.arrays import AnyArray
from attn_cli.conventions.presets import PRESETS
from attn_cli.dataclass import dataclass
from attn_cli.errors import AttnError, printable
from attn_cli.lab.verifying.answer import DONE, NOT_ARRAYS, UNSUPPORTED, Answer
from attn_cli.lab.verifying.case import ALL_TYPES, TENSORS, Case
from attn_cli.lab.verifying.expected import LSE, OUTPUT, Expected
from attn_cli.lab.verifying.judging import Asking, judge, verified
from attn_cli.lab.verifying.verified import Verified

MANIFEST = "manifest.json"
FORMAT = "attn/1"
_ORDER = "bhsd"

Load = Callable[
    [str], "AnyArray | None"
]  # a file below the folder -> its array; None: no such file


@dataclass(frozen=True)
class Vectors:
    """Files by their place below the folder, and the manifest."""

    arrays: Mapping[str, AnyArray]
    manifest: Mapping[str, Any]

    def files(self) -> Iterator[tuple[str, bytes]]:
        """Yield place and content of each file; the manifest comes last."""
        for place, array in self.arrays.items():
            buffer = io.BytesIO()
            np.save(buffer, array, allow_pickle=False)
            yield place, buffer.getvalue()
        text = json.dumps(self.manifest, indent=1, allow_nan=False)
        yield MANIFEST, f"{text}\n".encode()


def vectors(asking: Asking, version: str) -> Vectors:
    """Return the vectors of the cases of a preset; `version` is attn's."""
    arrays: dict[str, AnyArray] = {}
    cases: list[dict[str, Any]] = []
    found_by: dict[str, dict[str, Any]] = {}
    for case in asking.cases:
        expected = asking.expected(case, "float32")
        if expected is None:
            continue
        described = _described(case, expected, arrays)
        cases.append(described)
        for each in described["finds"]:
            found_by.setdefault(each["name"], {**each, "cases": []})["cases"].append(case.name)
    manifest = {
        "format": FORMAT,
        "command": "verify",
        "attn": version,
        "like": asking.preset.name,
        "version": asking.preset.version,
        "axes": _ORDER,
        "cases": cases,
        "faults": list(found_by.values()),
    }
    return Vectors(arrays, manifest)


def _described(case: Case, expected: Expected, arrays: dict[str, AnyArray]) -> dict[str, Any]:
    """Return a case for the manifest, and add its arrays."""
    given = {}
    for name, array in expected.arrays.items():
        given[name] = f"{case.name}/{name}.npy"
        arrays[given[name]] = array.astype(np.float32) if array.dtype.kind == "f" else array
    steps = {}
    for name, step in expected.base.record.steps.items():
        steps[name] = f"{case.name}/expected/{name}.npy"
        arrays[steps[name]] = step.values
    return {
        "name": case.name,
        "convention": case.convention,
        "types": list(case.types),
        "options": {n: list(v) if isinstance(v, tuple) else v for n, v in case.options().items()},
        "arrays": given,
        "answers": {name: f"{case.name}/{name}.npy" for name in expected.results},
        "steps": steps,
        "tolerances": {dtype: dict(expected.tolerances(dtype)) for dtype in case.types},
        "finds": [
            {"name": variant.name, "sentence": variant.said(expected.base)}
            for variant in expected.listed
            if expected.notices(variant, "float32")
        ],
    }


class _Written(Asking):
    """The cases of a manifest, with the arrays of its folder."""

    def __init__(self, manifest: Mapping[str, Any], load: Load) -> None:
        super().__init__(_text(manifest, "like"), [_case(each) for each in _cases(manifest)])
        self._entries = {each["name"]: each for each in _cases(manifest)}
        self._load = load

    def answers(self, case: Case) -> Mapping[str, str]:
        """Return where the results of a case are, by name."""
        return _texts(self._entries[case.name], "answers", (OUTPUT, LSE))

    def _computed(self, case: Case, *, wide: bool) -> Expected | None:
        entry = self._entries[case.name]
        arrays = {}
        for name, place in _texts(entry, "arrays", ("q", "k", "v", *TENSORS)).items():
            array = self._load(place)
            if array is None:
                raise AttnError(
                    f"{printable(place)} is missing",
                    help="the folder must have all arrays that attn verify wrote",
                )
            arrays[name] = array.astype(np.float64) if array.dtype.kind == "f" else array
        missing = [name for name in ("q", "k", "v") if name not in arrays]
        if missing:
            raise _broken(f"the case {case.name} has no {missing[0]}")
        return Expected(
            self.preset.name, arrays, entry["options"], wide=wide, emulations=self.emulations
        )


def judged_outputs(
    manifest: Mapping[str, Any], load: Load, name: str, dtypes: tuple[str, ...]
) -> Verified:
    """Return the verdict of the outputs in a folder of vectors.

    A case without an output counts as not supported. Raises AttnError for a manifest that is not
    one, and for files that cannot be read.
    """
    asking = _Written(manifest, load)
    judged = [
        judge(asking, case, dtype, _answer(asking, case, load))
        for dtype in dtypes
        for case in asking.cases
        if dtype in case.types or dtype == "float64"
    ]
    return verified(asking, judged, name, "npy", dtypes)


def _answer(asking: _Written, case: Case, load: Load) -> Answer:
    found = {}
    for name, place in asking.answers(case).items():
        array = load(place)
        if array is None:
            return Answer(verdict=UNSUPPORTED, text=f"there is no {name}.npy")
        if array.dtype.kind != "f":
            return Answer(verdict=NOT_ARRAYS, text=f"{place} holds {array.dtype}")
        found[name] = array.astype(np.float64)
    return Answer(verdict=DONE, results=found)


def read_manifest(text: str, name: str) -> Mapping[str, Any]:
    """Return a manifest; raise AttnError if a text is none."""
    try:
        found = json.loads(text)
    except ValueError as error:
        raise AttnError(f"{name} is not JSON: {error}") from None
    if not isinstance(found, dict) or (found.get("format"), found.get("command")) != (
        FORMAT,
        "verify",
    ):
        raise AttnError(
            f"{name} is not a manifest of attn verify",
            help="attn verify writes one into each folder of test vectors",
        )
    if found.get("like") not in PRESETS:
        raise _broken(f"its like is {found.get('like')!r}, which is not a preset")
    return found


def _cases(manifest: Mapping[str, Any]) -> list[Any]:
    cases = manifest.get("cases")
    if not isinstance(cases, list) or not cases:
        raise _broken("it has no cases")
    return cases


def _case(entry: Any) -> Case:
    """Return the case of an entry, for its name, its convention and its types."""
    if not isinstance(entry, dict) or not isinstance(entry.get("options"), dict):
        raise _broken("a case of it has no options")
    types = entry.get("types")
    if not isinstance(types, list) or not set(types) <= set(ALL_TYPES):
        raise _broken(f"the types of a case are {types!r}")
    return Case(
        name=_text(entry, "name"), convention=_text(entry, "convention"), types=tuple(types)
    )


def _text(entry: Mapping[str, Any], key: str) -> str:
    value = entry.get(key)
    if not isinstance(value, str):
        raise _broken(f"its {key} is {value!r}")
    return value


def _texts(entry: Mapping[str, Any], key: str, allowed: tuple[str, ...]) -> dict[str, str]:
    value = entry.get(key)
    if not isinstance(value, dict) or not all(isinstance(v, str) for v in value.values()):
        raise _broken(f"its {key} are not names of files")
    if not set(value) <= set(allowed):
        raise _broken(f"its {key} have an unknown name")
    return value


def _broken(what: str) -> AttnError:
    return AttnError(
        f"the manifest is damaged: {what}", help="let attn verify write the vectors again"
    )
