/** The tensors that ONNX's test data hold, one in a file. */
import { decodeTensor, type FileTensor } from '../../../src/import/decode-tensor.ts';
import { decodeModel } from '../../../src/onnx/proto.ts';

/** A message within another: its field's number, its length, its bytes. */
function within(field: number, bytes: Uint8Array): Uint8Array {
  const header = [field * 8 + 2];
  let length = bytes.length;
  for (; length >= 128; length = Math.floor(length / 128)) header.push((length % 128) + 128);
  header.push(length);
  return Buffer.concat([Uint8Array.from(header), bytes]);
}

/** The tensor that a file holds; undefined where it holds something else. Throws UserError where its type is none of ours. */
export function readTensor(bytes: Uint8Array, what: string): FileTensor | undefined {
  // Behind a version, a graph (field 7) that has one initializer (field 5).
  const model = decodeModel(Buffer.concat([Uint8Array.of(8, 8), within(7, within(5, bytes))]), what);
  const [tensor] = model.graph.initializer;
  return tensor && tensor.dataType !== 0 ? decodeTensor(tensor, what) : undefined;
}
