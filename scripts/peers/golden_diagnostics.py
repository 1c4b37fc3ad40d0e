"""Writes test/goldens/diagnostics-vit.json: what training does to the small ViT of golden_vit.py, by PyTorch in float64.

    python scripts/peers/golden_diagnostics.py > test/goldens/diagnostics-vit.json      # torch 2.13

It takes two steps of AdamW on the exact gradient of L + λ‖∇L‖, clipped. The file describes the second step. It also has
the largest eigenvalue and the trace of the Hessian of L at the initial weights.
"""

import json
import math

import torch
from golden_vit import JOB, weights_and_batch
from torch_bench import compute, loss_of

LR, BETAS, EPSILON, DECAY, CLIP = 0.01, (0.9, 0.999), 0.01, 0.3, 1.0


def group_of(path):
    if "norm" in path:
        return "norms"
    if "/attn/" in path:
        return "attention"
    if "/mlp/" in path:
        return "mlp"
    return "head" if path.startswith("head") else "embedding"


def norm(tensors):
    return float(torch.cat([t.flatten() for t in tensors]).norm())


def describe(paths, gradient, before, p, optimizer, step):
    v = torch.cat([(optimizer.state[p[k]]["exp_avg_sq"] / (1 - BETAS[1] ** step)).flatten() for k in paths])
    rate = 1 / (v.sqrt() + EPSILON)
    update = norm([p[k].detach() - before[k] for k in paths])
    weight = norm([before[k] for k in paths])
    return {
        "parameters": sum(p[k].numel() for k in paths),
        "grad_norm": norm([gradient[k] for k in paths]),
        "update_norm": update,
        "weight_norm": weight,
        "update_ratio": update / weight,
        "nu_mean": float(v.mean()),
        "nu_std": float(v.std(correction=0)),
        "adaptive_rate_mean": float(rate.mean()),
        "adaptive_rate_variance": float(rate.var(correction=0)),
        "adaptive_rate_log_variance": float(rate.log().var(correction=0)),
        "step_size": float(LR * rate.log().mean().exp()),
    }


def second_step(p, images, labels):
    kernels = [v for k, v in p.items() if k.endswith("kernel")]
    others = [v for k, v in p.items() if not k.endswith("kernel")]
    optimizer = torch.optim.AdamW(
        [{"params": kernels, "weight_decay": DECAY}, {"params": others, "weight_decay": 0}],
        lr=LR,
        betas=BETAS,
        eps=EPSILON,
    )
    for step in (1, 2):
        _, clean_norm, _, clean = compute("gradient", p, JOB, {"images": images, "labels": labels})
        _, _, _, gradient = compute("exact", p, JOB, {"images": images, "labels": labels})
        before = {k: v.detach().clone() for k, v in p.items()}
        whole = norm(gradient.values())
        for k, v in p.items():
            v.grad = gradient[k] * min(1, CLIP / (whole + 1e-6))
        optimizer.step()
    cosine = sum(float((clean[k] * gradient[k]).sum()) for k in p) / (float(clean_norm) * whole)
    groups = {}
    for k in p:
        groups.setdefault(group_of(k), []).append(k)
    return {
        "grad_norm": float(clean_norm),
        "gr_grad_norm": whole,
        "gr_angle": math.degrees(math.acos(cosine)),
        "all": describe(list(p), gradient, before, p, optimizer, 2),
        "groups": {g: describe(paths, gradient, before, p, optimizer, 2) for g, paths in groups.items()},
    }


def hessian(p, images, labels):
    leaves = list(p.values())
    gradient = torch.autograd.grad(loss_of(p, JOB, {"images": images, "labels": labels})[0], leaves, create_graph=True)
    flat = torch.cat([g.flatten() for g in gradient])
    rows = [torch.cat([h.flatten() for h in torch.autograd.grad(x, leaves, retain_graph=True)]) for x in flat]
    h = torch.stack(rows)
    return {"top_eigenvalue": float(torch.linalg.eigvalsh(h)[-1]), "trace": float(h.trace())}


out = {"lr": LR, "beta1": BETAS[0], "beta2": BETAS[1], "epsilon": EPSILON, "weightDecay": DECAY, "clip": CLIP}
out |= {"step": second_step(*weights_and_batch()), "hessian": hessian(*weights_and_batch())}
print(json.dumps(out))
