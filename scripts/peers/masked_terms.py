"""Two steps of exact GR with AdamW on a loss of two masked terms, in float64: the numbers of test/run/additive.test.ts."""
import torch
from torch.nn.functional import cross_entropy

torch.set_default_dtype(torch.float64)


def wave(path, shape):
    count = torch.Size(shape).numel()
    values = 0.5 * torch.sin(1.3 * torch.arange(count) + len(path))
    return values.float().double().reshape(shape)


def data(name, shape, step):
    count = torch.Size(shape).numel()
    return torch.sin(0.7 * torch.arange(count) + len(name) + step).float().double().reshape(shape)


SHAPES = {
    "hidden/kernel": (5, 8), "hidden/bias": (8,), "other/kernel": (3, 8), "other/bias": (8,),
    "tokens/kernel": (8, 4), "tokens/bias": (4,), "number/kernel": (8, 1), "number/bias": (1,),
}  # fmt: skip
theta = {path: wave(path, shape).requires_grad_() for path, shape in SHAPES.items()}
kernels = [p for path, p in theta.items() if path.endswith("kernel")]
biases = [p for path, p in theta.items() if path.endswith("bias")]
optimizer = torch.optim.AdamW(
    [{"params": kernels, "weight_decay": 0.1}, {"params": biases, "weight_decay": 0.0}], lr=0.01
)
for step in range(2):
    optimizer.param_groups[0]["lr"] = optimizer.param_groups[1]["lr"] = 0.01 / (1 + step)
    x, z, y = data("x", (8, 6, 5), step), data("z", (8, 3), step), data("y", (8,), step)
    labels = torch.arange(48).add(step).remainder(4).reshape(8, 6)
    is_token = data("isToken", (8, 6), step) > 0
    known = data("known", (8,), step).clamp(min=0)
    is_token[:2], known[:2] = False, 0

    def layer(name, value):
        return value @ theta[f"{name}/kernel"] + theta[f"{name}/bias"]

    both = layer("hidden", x).tanh() + layer("other", z).tanh()[:, None, :]
    each = cross_entropy(layer("tokens", both).reshape(48, 4), labels.reshape(48), reduction="none").reshape(8, 6)
    number = layer("number", both.mean(1))[:, 0]
    loss = (each * is_token).sum() / is_token.sum() + (known * (number - y) ** 2).sum() / known.sum()
    gradient = torch.autograd.grad(loss, list(theta.values()), create_graph=True)
    norm = sum((g**2).sum() for g in gradient).sqrt()
    regularized = torch.autograd.grad(loss + 0.05 * norm, list(theta.values()))
    for p, g in zip(theta.values(), regularized):
        p.grad = g
    length = torch.nn.utils.clip_grad_norm_(theta.values(), 1.0)
    print([value.item() for value in (loss, norm, length)])
    optimizer.step()
print({path: (p.flatten() * torch.cos(torch.arange(p.numel()))).sum().item() for path, p in theta.items()})
