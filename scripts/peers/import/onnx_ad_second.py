"""The derivatives that PyPI `onnx-ad` 0.3.0 writes of a model: of all its outputs by some of its weights, and of those again.

    python scripts/peers/import/onnx_ad_second.py MODEL.onnx OUT.onnx ABOUT.json

ABOUT: {"inputs": {name: shape}, "weights": {name: shape}, "values": {name: shape}, "outputs": [names]}. OUT takes the inputs, the weights, seeds
adj_OUTPUT [..., 1] and directions fwd_WEIGHT [..., 1]; it gives adj_WEIGHT (the gradient) and fwd_adj_WEIGHT (the Hessian
times the directions).
"""
import json
import sys

import onnx
from onnx import TensorProto, helper, version_converter
from onnx_ad import forward, reverse


def main():
    source, target, about = sys.argv[1:]
    about = json.load(open(about))
    model = onnx.load(source)
    if next(o.version for o in model.opset_import if o.domain == "") < 16:
        model = version_converter.convert_version(model, 17)
    graph = model.graph
    weights = about["weights"]
    kept = [t for t in graph.initializer if t.name not in weights]
    del graph.initializer[:]
    graph.initializer.extend(kept)
    nodes = [n for n in graph.node if not (n.op_type == "Constant" and n.output[0] in weights)]
    del graph.node[:]
    graph.node.extend(nodes)
    inputs = [v for v in graph.input if v.name in about["inputs"]]
    for value in inputs:
        elem_type = value.type.tensor_type.elem_type
        value.CopyFrom(helper.make_tensor_value_info(value.name, elem_type, about["inputs"][value.name]))
    inputs = [onnx.ValueInfoProto.FromString(v.SerializeToString()) for v in inputs]
    del graph.input[:]
    graph.input.extend(inputs)
    graph.input.extend(helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in weights.items())
    del graph.value_info[:]
    made = {name for node in graph.node for name in node.output} - set(about["outputs"])
    graph.value_info.extend(
        helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in about["values"].items() if n in made
    )
    outputs = [helper.make_tensor_value_info(o, TensorProto.FLOAT, about["values"].get(o)) for o in about["outputs"]]
    del graph.output[:]
    graph.output.extend(outputs)
    names = list(weights)
    model = onnx.shape_inference.infer_shapes(model, data_prop=True)
    first = reverse(model, inputs=names, outputs=about["outputs"], layout="onnx")
    adjoints = [f"adj_{name}" for name in names]
    second = forward(first, inputs=names, outputs=adjoints, layout="onnx")
    onnx.save(second, target)


main()
