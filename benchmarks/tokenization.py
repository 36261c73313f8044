"""The fast tokenizer: equal ids, speed and memory.

``python benchmarks/tokenization.py TOKENIZER.json --texts FILE --warm-up FILE [--more FILE...] [--count 100000]``

Builds texts of real words and of what Unicode has to offer, compares all ids with those of ``tokenizers``, then times
both on ``--texts``, which the cache has not seen, in turns. Files: one text a line, or JSON lines with ``text``.
"""

import argparse
import random
from pathlib import Path
from statistics import median
from time import perf_counter

from runtime_overhead import read_texts

from edgekd.runtime.cache import MAX_BYTES, CachedTokenizer
from edgekd.runtime.tokenization import open_encoder, open_tokenizer

ODD = [
    *"\x00\x1f\x0c\x85\u2028\u2029\u3000\xa0\t\n\r\u200d\u200b\u0301\u0308\ufffd\ue000\u0600\u180e\ufeff\u202e\u2000"
]
ODD += [*"\u212a\u1fef\u03a3\u0130\u00df\ufb03\ufdfa\uac01\u0344\u2167\u00bd\u0131\U0001d54f\u2581\u0120"]
ODD += ["\u039f\u0394\u039f\u03a3", "\u1100\u1161", "\u4e2d\u6587", "e\u0301", "a\u0323\u0307", "\u0f71\u0f72"]
ODD += ["\U0001f469\u200d\U0001f469\u200d\U0001f467", "\U0001f1e9\U0001f1ea", "\U0001f44d\U0001f3fd"]
ODD += [
    "\u05e9\u05dc\u05d5\u05dd",
    "\u0645\u0631\u062d\u0628\u0627",
    "na\u00efve",
    "\u0939\u093f\u0928\u094d\u0926\u0940",
]
SPECIAL = ["[SEP]", "[CLS]", "[MASK]", "[PAD]", "[UNK]", "<s>", "</s>", "<mask>", "<unk>", "##ing", "''", "``", "'s"]
RANGES = [(0x20, 0x7F), (0x20, 0x600), (0x2000, 0x3100), (0xAC00, 0xD7A3), (0x1F300, 0x1FAFF), (0xA0, 0xD7FF)]
SPACES = [*[" "] * 14, "", "  ", "\t", " \u0301", "\u3000"]


def odd_text(rng, words):
    """Return a text of which about half is ordinary."""
    parts = []
    for _ in range(rng.choice([0, 1, 2, 3, 5, 8, 20, 60])):
        draw = rng.random()
        if draw < 0.5:
            part = rng.choice(words)
        elif draw < 0.62:
            part = rng.choice(words)[:4].upper() + rng.choice(ODD) + rng.choice(words)
        elif draw < 0.78:
            part = "".join(rng.choices(ODD, k=rng.randint(1, 4)))
        elif draw < 0.86:
            part = rng.choice(words) + rng.choice(SPECIAL) + rng.choice(["", "x", "1"])
        else:
            part = "".join(chr(rng.randrange(*rng.choice(RANGES))) for _ in range(rng.randint(1, 6)))
        parts += [part, rng.choice(SPACES)]
    text = "".join(parts)
    text = text.strip(" ") if rng.random() < 0.6 else text
    return text + rng.choice(ODD + words) * 3000 if rng.random() < 0.002 else text


def differences(encoder, tokenizer, texts):
    """Return how many texts have other ids, asked twice."""
    wrong = 0
    for text in texts:
        expected = tokenizer.encode(text).ids
        if encoder.ids(text) != expected or encoder.ids(text) != expected:
            wrong += 1
            print(f"  differs: {text[:100]!r}")
    return wrong


def speed(path, max_length, texts, warm_up, rounds):
    """Return medians of the time of a text in seconds: plain, cached; and the cache."""
    plain, fast = (open_encoder(path, max_length, cached=cached) for cached in (False, True))
    for text in warm_up:
        fast.ids(text)
    fast.mark()
    samples = ([], [])
    for _ in range(rounds):
        fast.reset()
        for start in range(0, len(texts), 100):
            for encoder, times in zip((plain, fast), samples, strict=True):
                for text in texts[start : start + 100]:
                    begin = perf_counter()
                    encoder.array(text)
                    times.append(perf_counter() - begin)
    fast.reset()
    return *map(median, samples), fast


def main():
    """Print what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tokenizer", type=Path)
    parser.add_argument("--texts", type=Path, required=True)
    parser.add_argument("--warm-up", type=Path, required=True)
    parser.add_argument("--more", type=Path, nargs="*", default=[])
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--max-length", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    texts, warm_up = read_texts(options.texts), read_texts(options.warm_up)
    real = [*texts, *warm_up, *(text for path in options.more for text in read_texts(path))]
    tokenizer = open_tokenizer(options.tokenizer, options.max_length)
    encoder = open_encoder(options.tokenizer, options.max_length)
    print(f"encoder: {type(encoder).__name__}")
    rng = random.Random(0)
    words = sorted({word for text in real[:2000] for word in text.split()})
    made = [odd_text(rng, words) for _ in range(max(0, options.count - len(real)))]
    wrong = differences(encoder, tokenizer, real) + differences(encoder, tokenizer, made)
    print(f"{wrong} of {len(real) + len(made):,} texts differ ({len(real):,} real, {len(made):,} made)")
    if isinstance(encoder, CachedTokenizer):
        print(f"cache after them: {len(encoder):,} chunks, {encoder.size_bytes:,} bytes of at most {MAX_BYTES:,}")
    plain_s, fast_s, fast = speed(options.tokenizer, options.max_length, texts, warm_up, options.rounds)
    if isinstance(fast, CachedTokenizer):
        print(f"cache after the warm-up: {len(fast):,} chunks, {fast.size_bytes:,} bytes")
    print(f"p50 on {len(texts):,} texts: tokenizers {plain_s * 1e6:.1f} us, here {fast_s * 1e6:.1f} us", end=", ")
    print(f"{plain_s / fast_s:.1f} times as fast, arrays included")


if __name__ == "__main__":
    main()
