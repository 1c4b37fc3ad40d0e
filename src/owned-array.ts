/**
 * Arrays with a buffer that is not shared, so that they can be posted, transferred and written. TypeScript before 5.7
 * has no type for this, and rejects declarations that use the newer one. These types mean the same in both.
 */
export type OwnedFloats = ReturnType<Float32Array['slice']>;
export type OwnedIndices = ReturnType<Uint32Array['slice']>;
export type OwnedBytes = ReturnType<Uint8Array['slice']>;
