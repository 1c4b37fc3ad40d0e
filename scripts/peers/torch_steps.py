"""Whole training steps of a Vision Transformer in PyTorch on a GPU, beside `npm run bench:device`: float32 without TF32,
gradient or regularized gradient, clipping, fused AdamW. Prints the median of ten steps after three.

    python3 scripts/peers/torch_steps.py [batch]
"""

import sys
import time

import torch
from torch_vit import logits_of, parameter_shapes

VARIANTS = {"vit-ti-cifar10": (192, 12, 3), "vit-s-cifar10": (384, 12, 6)}
IMAGE = [3, 32, 32]
LAMBDA, R, ALPHA = 0.01, 0.1, 0.5


def norm(tensors):
    return torch.sqrt(sum((t * t).sum() for t in tensors))


def regularized(kind, loss_at, p):
    parameters = list(p.values())
    loss = loss_at(p)
    g = torch.autograd.grad(loss, parameters, create_graph=kind == "exact")
    if kind == "exact":
        return torch.autograd.grad(loss + LAMBDA * norm(g), parameters)
    if kind == "none":
        return g
    factor = R / norm(g)
    there = {k: (t + factor * d).detach().requires_grad_() for (k, t), d in zip(p.items(), g)}
    moved = torch.autograd.grad(loss_at(there), list(there.values()))
    return [(1 - ALPHA) * a + ALPHA * b for a, b in zip(g, moved)]


def measure(name, kind, batch):
    width, layers, heads = VARIANTS[name]
    m = {"patch": 4, "width": width, "layers": layers, "heads": heads, "mlp": 4 * width, "pool": "class"}
    shapes = parameter_shapes(m, IMAGE, 10)
    p = {k: (0.02 * torch.randn(s, device="cuda")).requires_grad_() for k, s in shapes.items()}
    images = torch.randn(batch, 3, 32, 32, device="cuda")
    labels = torch.randint(10, (batch,), device="cuda")
    optimizer = torch.optim.AdamW(p.values(), lr=1e-3, fused=True)
    loss_at = lambda q: torch.nn.functional.cross_entropy(logits_of(q, images, m), labels)
    times = []
    for _ in range(13):
        torch.cuda.synchronize()
        begin = time.perf_counter()
        for t, g in zip(p.values(), regularized(kind, loss_at, p)):
            t.grad = g
        torch.nn.utils.clip_grad_norm_(p.values(), 1.0)
        optimizer.step()
        torch.cuda.synchronize()
        times.append(1000 * (time.perf_counter() - begin))
    times = sorted(times[3:])
    print(f"{name}, {kind}, batch {batch}: {times[len(times) // 2]:.1f} ms a step (least {times[0]:.1f})", flush=True)


if __name__ == "__main__":
    torch.backends.cuda.matmul.allow_tf32 = False
    print(f"PyTorch {torch.__version__}, {torch.cuda.get_device_name()}")
    for name in VARIANTS:
        for kind in ("none", "fd", "exact"):
            measure(name, kind, int(sys.argv[1]) if len(sys.argv) > 1 else 128)
