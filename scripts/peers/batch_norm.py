"""Golden numbers of test/cases/batch-norm.test.ts: a perceptron with batch normalization under SAM and exact GR.

The running statistics advance once for each micro-batch of the clean pass, in sequence; passes that go over a
micro-batch again leave them alone. Run with PyTorch on CPU: python scripts/peers/batch_norm.py
"""
import math
import torch

torch.set_default_dtype(torch.float64)
SHAPES = {'hidden/kernel': (5, 8), 'hidden/bias': (8,), 'norm/scale': (8,), 'norm/bias': (8,), 'head/kernel': (8, 2), 'head/bias': (2,)}


def wave(path):
    shape = SHAPES[path]
    return torch.tensor([0.5 * math.sin(1.3 * i + len(path)) for i in range(math.prod(shape))]).reshape(shape)


def field(name, size, step, examples=8):
    values = [math.sin(0.7 * i + len(name) + step) for i in range(examples * size)]
    return torch.tensor(values, dtype=torch.float32).double().reshape(examples, size)


def run(kind, micro):
    params = {path: wave(path).float().double().requires_grad_() for path in SHAPES}
    stats = [torch.zeros(8), torch.ones(8)]

    def loss_of(p, x, y, advance):
        h = torch.tanh(x @ p['hidden/kernel'] + p['hidden/bias'])
        mean, var = stats if advance else [s.clone() for s in stats]
        h = torch.nn.functional.batch_norm(h, mean, var, p['norm/scale'], p['norm/bias'], training=True, momentum=0.1, eps=1e-5)
        return ((h @ p['head/kernel'] + p['head/bias'] - y) ** 2).mean()

    def gradient(p, x, y, advance, graph=False):
        parts = range(0, 8, micro)
        loss = sum(loss_of(p, x[i:i + micro], y[i:i + micro], advance) for i in parts) / len(parts)
        return loss, torch.autograd.grad(loss, list(p.values()), create_graph=graph)

    def norm(g):
        return torch.sqrt(sum((x * x).sum() for x in g))

    told = []
    for step in range(2):
        x, y = field('x', 5, step), field('y', 2, step)
        loss, g = gradient(params, x, y, True, graph=kind == 'exact')
        size = norm(g)
        if kind == 'exact':
            hg = torch.autograd.grad(size, list(params.values()))
            r = [a.detach() + 0.05 * b for a, b in zip(g, hg)]
        else:
            there = {k: (p + 0.1 * a / size).detach().requires_grad_() for (k, p), a in zip(params.items(), g)}
            r = gradient(there, x, y, False)[1]
        told.append([loss.item(), size.item(), norm(r).item()])
        params = {k: (p - 0.1 * a).detach().requires_grad_() for (k, p), a in zip(params.items(), r)}
    weights = {k: sum(v * math.cos(i) for i, v in enumerate(p.flatten().tolist())) for k, p in params.items()}
    print(f"  '{kind} {micro}': {{")
    print(f"    told: {told},")
    print(f"    mean: {stats[0].tolist()},")
    print(f"    variance: {stats[1].tolist()},")
    print(f"    sums: {weights},")
    print('  },')


print(f'torch {torch.__version__}')
for kind in ('sam', 'exact'):
    for micro in (8, 4):
        run(kind, micro)
