"""Ten steps of ASAM and GSAM by their authors' own files, in float64: the numbers of test/step/authors.test.ts.

    git clone https://github.com/SamsungLabs/ASAM
    git clone https://github.com/juntang-zhuang/GSAM
    python3 scripts/peers/sam_variants.py ASAM GSAM

The problem, rates, decay and clipping are those of test/step/_small.ts. ASAM is run twice: with every parameter called a
weight, and with the second one called a bias, which its authors leave unscaled.
"""

import importlib
import sys

import torch

RHO, ALPHA, CLIP = 0.05, 0.7, 2.0
RATES = {0: (0.1, 0.2), 1: (0.05, 0.0)}  # learning rate and weight decay of each parameter


class Model(torch.nn.Module):
    def __init__(self, names):
        super().__init__()
        start = ([0.3, -0.5, 0.7], [[0.2, -0.9], [0.4, 0.6]])
        for name, values in zip(names, start):
            # Numbers of float32, as the test's.
            value = torch.tensor(values, dtype=torch.float32).double()
            self.register_parameter(name, torch.nn.Parameter(value))

    def forward(self, _=None):
        a, b = self.parameters()
        return a.tanh().square().sum() + (b**4).sum() + a.sum() * b.sum()


class Clipped(torch.optim.Optimizer):
    """Gradient descent after clipping to a global norm, with decoupled decay."""

    def __init__(self, params):
        super().__init__([{"params": [p]} for p in params], {})

    @torch.no_grad()
    def step(self):
        params = [p for group in self.param_groups for p in group["params"]]
        norm = torch.sqrt(sum(p.grad.square().sum() for p in params))
        factor = min(1.0, CLIP / (float(norm) + 1e-6))
        for i, p in enumerate(params):
            rate, decay = RATES[i]
            p.copy_(p - rate * (factor * p.grad + decay * p))


class Constant:
    def step(self):
        return RHO


def asam(names):
    ASAM = importlib.import_module("asam").ASAM
    model = Model(names)
    minimizer = ASAM(Clipped(model.parameters()), model, rho=RHO, eta=0.01)
    for _ in range(10):
        model().backward()
        minimizer.ascent_step()
        model().backward()
        minimizer.descent_step()
    return model


def gsam():
    GSAM = importlib.import_module("gsam.gsam").GSAM
    model = Model(["a_weight", "b_weight"])
    base = Clipped(model.parameters())
    minimizer = GSAM(model.parameters(), base, model, gsam_alpha=ALPHA, rho_scheduler=Constant())
    for _ in range(10):
        minimizer.set_closure(lambda out, _: out, None, None)
        minimizer.step()
    return model


if __name__ == "__main__":
    sys.path[:0] = sys.argv[1:]
    for label, model in (
        ("asam", asam(["a_weight", "b_weight"])),
        ("asam, b a bias", asam(["a_weight", "b_bias"])),
        ("gsam", gsam()),
    ):
        print(label, [round(float(x), 7) for p in model.parameters() for x in p.detach().flatten()])
