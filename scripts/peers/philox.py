"""The random inputs of a training step, as src/run/masks.ts draws them: from (seed, step, place in the batch, path)."""

import math

import torch

STREAM = 7


def philox(counter, key):
    """Philox4x32-10 (Salmon et al. 2011)."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        a, b = 0xD2511F53 * c0, 0xCD9E8D57 * c2
        c0, c1, c2, c3 = (b >> 32) ^ c1 ^ k0, b & 0xFFFFFFFF, (a >> 32) ^ c3 ^ k1, a & 0xFFFFFFFF
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return c0, c1, c2, c3


def fnv(text):
    state = 0x811C9DC5
    for unit in text.encode("ascii"):
        state = ((state ^ unit) * 0x01000193) & 0xFFFFFFFF
    return state


def words(path, shape, seed, step, per_word):
    """For each example [batch, ...] and each of its elements, the word that it is drawn from, and which part of it."""
    batch, size = shape[0], math.prod(shape[1:])
    for example in range(batch):
        for i in range(size):
            block, word = divmod(i // per_word, 4)
            yield philox((block, example, step, fnv(f"random/{path}")), (seed, STREAM))[word], i % per_word


def mask(path, shape, keep, seed, step):
    threshold = math.floor(keep * 0x10000 + 0.5)
    drawn = [float((word >> 16 * half & 0xFFFF) < threshold) for word, half in words(path, shape, seed, step, 2)]
    return torch.tensor(drawn, dtype=torch.float64).reshape(shape)


def uniform(path, shape, seed, step):
    drawn = [(word >> 8) / 2**24 for word, _ in words(path, shape, seed, step, 1)]
    return torch.tensor(drawn, dtype=torch.float64).reshape(shape)
