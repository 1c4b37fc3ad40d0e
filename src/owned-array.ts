/**
 * Arrays whose buffer is no shared one, so that they can be posted, transferred and written. TypeScript before 5.7
 * cannot say so, and does not read declarations that do: these names are what both understand.
 */
export type OwnedFloats = ReturnType<Float32Array['slice']>;
export type OwnedInts = ReturnType<Int32Array['slice']>;
export type OwnedIndices = ReturnType<Uint32Array['slice']>;
export type OwnedBytes = ReturnType<Uint8Array['slice']>;
