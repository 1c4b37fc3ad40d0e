/** `ortgrad inspect`: what an ONNX file is, what of it can be trained, and what stands in the way. */
export async function inspect(_argv: readonly string[]): Promise<void> {}
