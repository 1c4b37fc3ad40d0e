/**
 * A product with a transposed left factor, such as every weight gradient xᵀ·d, becomes explicit Transposes and a plain
 * product. The CPU kernel is slow with a transposed left factor, and all products of an operand share one Transpose. Of
 * two ways, the one that moves fewer numbers:
 *
 *     Gemm(A, B, transA) → Gemm(Transpose(A), B)
 *     Gemm(A, B, transA) → Transpose(Gemm(Transpose(B), A))
 *
 * ONNX Runtime's own optimizer would undo this; sessions run with it off.
 */
import { keep, rewriteGraph } from '../onnx/graph.ts';
import { gemm, transpose } from '../onnx/ops.ts';
import { comparableSize } from '../onnx/shapes.ts';
import { isOp, type Value } from '../onnx/value.ts';

export function transposeProducts(outputs: readonly Value[]): Value[] {
  return rewriteGraph(outputs, (node, inputs) => {
    const [a, b, c] = inputs;
    if (!isOp(node, 'Gemm') || !node.attributes.transA || !a || !b) return keep(node, inputs);
    const { transB, alpha, beta } = node.attributes;
    const byA = comparableSize(a.shape);
    const byB = comparableSize(b.shape) + comparableSize(node.outputs[0].shape);
    const isMatrix = !c || c.shape.length === 2;
    if (transB || !isMatrix || byA <= byB) {
      return [gemm(transpose(a), b, c, { transB, alpha, beta })];
    }
    return [transpose(gemm(transpose(b), a, c && transpose(c), { alpha, beta }))];
  });
}
