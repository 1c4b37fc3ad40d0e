/** The attributes of a node of a file, read by type. */
import { UserError } from '../errors.ts';
import { sevenDigits } from '../onnx/encoding.ts';
import { ATTRIBUTE_TYPES, type AttributeProto } from '../onnx/proto.ts';
import type { Attributes } from './lower/lowering.ts';

type TypeName = keyof typeof ATTRIBUTE_TYPES;

const decoder = new TextDecoder();

/** Reads attributes; `where` names the node. */
export function attributesOf(given: ReadonlyMap<string, AttributeProto>, where: string): Attributes {
  const find = (name: string, type: TypeName): AttributeProto | undefined => {
    const attribute = given.get(name);
    // Files of the first versions do not say the type.
    if (!attribute || attribute.type === 0 || attribute.type === ATTRIBUTE_TYPES[type]) return attribute;
    const got = Object.entries(ATTRIBUTE_TYPES).find(([, number]) => number === attribute.type)?.[0];
    throw new UserError(`${where}: ${name}: expected ${type}, got ${got ?? `type ${attribute.type}`}`);
  };
  return {
    has: (name) => given.has(name),
    int: (name, otherwise) => (given.has(name) ? (find(name, 'int')?.i ?? 0) : otherwise),
    float: (name, otherwise) => (given.has(name) ? sevenDigits(find(name, 'float')?.f ?? 0) : otherwise),
    text: (name, otherwise) => (given.has(name) ? decoder.decode(find(name, 'string')?.s) : otherwise),
    ints: (name) => find(name, 'ints')?.ints,
    floats: (name) => find(name, 'floats')?.floats?.map(sevenDigits),
    texts: (name) => find(name, 'strings')?.strings?.map((bytes) => decoder.decode(bytes)),
  };
}
