"""The networks of `npm run bench` in PyTorch, for comparison of numbers and of speed.

A server on stdin and stdout (one JSON object a line), which `npm run bench -- --peers` starts:
  {"cmd": "load", "job": {...}}            reads weights and inputs from safetensors files
  {"cmd": "run"}                           -> {"ms", "create", "rss_peak"}
  {"cmd": "results", "path"}               writes what is predicted, or loss, grad_norm and grad/<path>, to a safetensors file
  {"cmd": "exit"}
The job's work: forward, gradient, exact (double backward), fd, train-step (gradient, clipping, fused AdamW).
With --compile through torch.compile.
"""

import json
import sys
import time

import torch
import torch_tasks
from torch_vit import draws, given


def loss_of(p, job, fields, drop=draws(0), training=True):
    """(loss, outputs); job: network (scripts/bench/peer-network.ts) and labelSmoothing."""
    return torch_tasks.loss_of(p, fields, job["network"], training, drop, job["labelSmoothing"])


def global_norm(tensors):
    return torch.sqrt(sum((t * t).sum() for t in tensors))


def compute(what, p, job, fields, drop=draws(0)):
    """(loss, grad_norm, outputs, gradients) of one kind of work; gradients by path. A forward pass drops nothing."""
    if what == "forward":
        with torch.no_grad():
            loss, outputs = loss_of(p, job, fields, training=False)
        return loss, torch.zeros(()), outputs, {}
    trained = {path: t for path, t in p.items() if t.requires_grad}
    leaves = list(trained.values())
    torch_tasks.choose_kernels(job["network"]["model"], what == "exact")
    loss, outputs = loss_of(p, job, fields, drop)
    gradient = torch.autograd.grad(loss, leaves, create_graph=what == "exact")
    norm = global_norm(gradient)
    if what == "exact":
        gradient = torch.autograd.grad(loss + job["lambda"] * norm, leaves)
    if what == "fd":
        r, alpha = job["r"], job["alpha"]
        moved = {k: (v + r * g / norm).detach().requires_grad_() for (k, v), g in zip(trained.items(), gradient)}
        perturbed = torch.autograd.grad(loss_of(p | moved, job, fields, drop)[0], list(moved.values()))
        gradient = [(1 - alpha) * a + alpha * b for a, b in zip(gradient, perturbed)]
    return loss.detach(), norm.detach(), outputs.detach(), dict(zip(trained, (g.detach() for g in gradient)))


def compiled(p, job, fields):
    """`compute` through torch.compile. Its backward passes are traced first: the compiler differentiates only once."""
    from torch.fx.experimental.proxy_tensor import make_fx

    paths, names = list(p), list(fields)

    def step(values, examples):
        named = dict(zip(names, examples))
        loss, norm, outputs, gradients = compute(job["work"], dict(zip(paths, values)), job, named)
        return loss, norm, outputs, [gradients[path] for path in paths]

    values = list(p.values())
    traced = torch.compile(make_fx(step)(values, list(fields.values())))

    def run(what, p, job, fields, drop=None):
        with torch.no_grad():
            loss, norm, outputs, gradients = traced(values, list(fields.values()))
        return loss, norm, outputs, dict(zip(paths, gradients))

    run(None, p, job, fields)
    return run


def memory():
    fields = dict(line.split(":", 1) for line in open("/proc/self/status"))
    return {"rss_peak": int(fields["VmHWM"].split()[0]) * 1024}


def serve(through_compiler):
    from safetensors.torch import load_file, save_file

    state = {}
    for line in sys.stdin:
        message = json.loads(line)
        if message["cmd"] == "exit":
            return
        try:
            reply = answer(message, state, through_compiler, load_file, save_file)
        except Exception as error:  # the parent reports it
            reply = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(reply), flush=True)


def load(job, through_compiler, load_file):
    torch.set_num_threads(job["threads"])
    p, inputs = load_file(job["weights"]), load_file(job["inputs"])
    roles = {variable["path"]: variable["role"] for variable in job["manifest"]["variables"]}
    for path, t in p.items():
        t.requires_grad_(roles[path] == "trainable")
    fields = {name: t.long() if t.dtype == torch.int32 else t for name, t in inputs.items() if "/" not in name}
    rate = job["network"]["model"].get("dropout", 0)
    start = time.perf_counter()
    state = {
        "job": job,
        "p": p,
        "fields": fields,
        # What is timed draws masks, as a step of training does; what is compared has ortgrad's.
        "drop": {"run": draws(rate), "results": given(inputs, rate)},
        "compute": compiled(p, job, fields) if through_compiler else compute,
    }
    state["create"] = 1000 * (time.perf_counter() - start) if through_compiler else 0
    if job["work"] == "train-step":
        leaves = [t for t in p.values() if t.requires_grad]
        state["adamw"] = torch.optim.AdamW(leaves, lr=1e-9, weight_decay=0.3, fused=True)
    return state


def answer(message, state, through_compiler, load_file, save_file):
    if message["cmd"] == "load":
        state.update(load(message["job"], through_compiler, load_file))
        return memory()
    work, p = state["job"]["work"], state["p"]
    start = time.perf_counter()
    kind = "gradient" if work == "train-step" else work
    drop = state["drop"][message["cmd"]]
    loss, norm, outputs, gradients = state["compute"](kind, p, state["job"], state["fields"], drop)
    if message["cmd"] == "results":
        predicted = next(iter(state["job"]["manifest"]["outputs"]))
        tensors = {predicted: outputs} if work == "forward" else {"loss": loss, "grad_norm": norm}
        tensors |= {f"grad/{path}": g for path, g in gradients.items()}
        save_file({name: t.contiguous() for name, t in tensors.items()}, message["path"])
        return memory()
    if work == "train-step":
        for path, g in gradients.items():
            p[path].grad = g.contiguous()
        torch.nn.utils.clip_grad_norm_([p[path] for path in gradients], 5.0)
        state["adamw"].step()
    ms = 1000 * (time.perf_counter() - start)
    return {"ms": ms, "create": state["create"], **memory()}


if __name__ == "__main__":
    serve("--compile" in sys.argv)
