"""The gradient by ONNX Runtime training 1.19.2, for comparison of numbers and of speed: ortgrad writes the loss as standard
ONNX, and ONNX Runtime differentiates and runs it. It takes the same requests as torch_vit.py, for the gradient only.
"""

import json
import sys
import time

import numpy as np
import onnx
import onnx.helper
import onnxruntime
from onnxruntime.capi import _pybind_state as ort
from safetensors.numpy import load_file, save_file

# The newest opset of 1.19. ortgrad's is newer, but the operators in the loss have not changed.
LATEST = 21


def state_zeros(graph):
    """Writes out attributes that are zero. A file may leave a zero out, and the gradient builder then takes the operator's
    default: the gradient of a reduction without keepdims gets the wrong shape.
    """
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.INT:
                attribute.i = attribute.i
            elif attribute.type == onnx.AttributeProto.FLOAT:
                attribute.f = attribute.f


def fuse(graph):
    """Makes one node each of layer normalization with its scale and bias, and of exact GELU, as ONNX Runtime's users have
    them. ONNX Runtime's own fusions do not recognize the forms that ortgrad writes. This is not faster, but takes less
    memory.
    """
    maker = {name: node for node in graph.node for name in node.output}
    users = {}
    for node in graph.node:
        for name in node.input:
            users.setdefault(name, []).append(node)

    def chain(node, *op_types):
        """The nodes of these types that follow a node, each the only user of the one before. Empty if there are none."""
        found = []
        for op_type in op_types:
            node, *others = users.get(node.output[0], [None])
            if node is None or node.op_type != op_type or others:
                return []
            found.append(node)
        return found

    replaced = []
    for node in graph.node:
        if node.op_type == "LayerNormalization" and (after := chain(node, "Mul", "Add")):
            multiply, add = after
            node.input[1:] = [multiply.input[1], add.input[1]]
            node.output[0] = add.output[0]
            replaced += after
        elif node.op_type == "Erf" and (after := chain(node, "Add", "Mul", "Mul")):
            scale = maker[node.input[0]]
            node.op_type, node.domain = "Gelu", "com.microsoft"
            node.input[0] = scale.input[0]
            node.output[0] = after[-1].output[0]
            replaced += [scale, *after]
    for node in replaced:
        graph.node.remove(node)


def gradient_model(loss_file, parameters):
    """ONNX of the loss, and of its gradient with respect to some inputs; and the gradients' names."""
    model = onnx.load(loss_file)
    for opset in model.opset_import:
        if opset.domain == "":
            opset.version = min(opset.version, LATEST)
    model.opset_import.append(onnx.helper.make_opsetid("com.microsoft", 1))
    state_zeros(model.graph)
    fuse(model.graph)
    # The two steps of onnxruntime.training.onnxblock, which is not used because it needs torch.
    options = onnxruntime.SessionOptions()
    optimized = ort.get_optimized_model(model.SerializeToString(), set(parameters), options)
    builder = ort.GradientGraphBuilder(optimized, {"loss"}, set(parameters), "loss", options)
    builder.build()
    built = onnx.load_from_string(builder.get_model())
    made = {name for node in built.graph.node for name in node.output}
    gradients = {path: f"{path}_grad" for path in parameters}
    missing = [path for path, name in gradients.items() if name not in made]
    if missing:
        raise RuntimeError(f"no gradient of {missing[0]}")
    outputs = {value.name for value in built.graph.output}
    for path, name in gradients.items():
        if name not in outputs:
            built.graph.output.append(
                onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, parameters[path].shape)
            )
    return built, gradients


def load(job):
    weights, inputs = load_file(job["weights"]), load_file(job["inputs"])
    model, gradients = gradient_model(job["files"]["loss"], weights)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = job["threads"]
    options.log_severity_level = 3
    begin = time.perf_counter()
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    wanted = {value.name for value in session.get_inputs()}
    feeds = {
        **weights,
        "images": inputs["images"],
        "labels": inputs["labels"],
        "label_smoothing": np.float32(job["labelSmoothing"]),
        "loss_grad": np.float32(1),
    }
    return {
        "session": session,
        "feeds": {name: np.asarray(value) for name, value in feeds.items() if name in wanted},
        "outputs": ["loss", *gradients.values()],
        "paths": list(gradients),
        "create": 1000 * (time.perf_counter() - begin),
    }


def memory():
    fields = dict(line.split(":", 1) for line in open("/proc/self/status"))
    return {"rss_peak": int(fields["VmHWM"].split()[0]) * 1024}


def answer(message, state):
    if message["cmd"] == "load":
        state.update(load(message["job"]))
        return memory()
    start = time.perf_counter()
    loss, *gradients = state["session"].run(state["outputs"], state["feeds"])
    # ortgrad's graph computes the norm too.
    norm = np.sqrt(sum(np.vdot(g, g) for g in gradients))
    ms = 1000 * (time.perf_counter() - start)
    if message["cmd"] == "results":
        tensors = {"loss": np.asarray(loss), "grad_norm": np.asarray(norm)}
        tensors |= {f"grad/{path}": g for path, g in zip(state["paths"], gradients)}
        save_file({name: np.ascontiguousarray(t, np.float32) for name, t in tensors.items()}, message["path"])
    return {"ms": ms, "create": state["create"], **memory()}


def serve():
    state = {}
    for line in sys.stdin:
        message = json.loads(line)
        if message["cmd"] == "exit":
            return
        try:
            reply = answer(message, state)
        except Exception as error:  # the parent reports it
            reply = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(reply), flush=True)


if __name__ == "__main__":
    serve()
