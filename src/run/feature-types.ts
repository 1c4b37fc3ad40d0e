/** The types of what the part of a file gives that only runs, found by running it. Also for browsers. */
import { createSession } from '#runtime';
import { UserError } from '../errors.ts';
import { findTypes } from '../import/find-types.ts';
import { readModel } from '../import/onnx-model.ts';
import { type HowRead, optionsFor } from '../tasks/import-for.ts';

/** How a file is read, with the types that its trunk has to be run for. Throws UserError as `findTypes` does. */
export async function withFeatureTypes(bytes: Uint8Array, how: HowRead): Promise<HowRead> {
  const source = readModel(bytes);
  const { options } = optionsFor(source, how);
  const features = await findTypes(source, options, async (part, feeds) => {
    const session = await createSession(part, { device: 'cpu', threads: 0, optimize: true });
    try {
      const wanted = Object.entries(feeds).filter(([name]) => session.inputs.includes(name));
      return await session.run(Object.fromEntries(wanted));
    } finally {
      await session.release();
    }
  });
  return Object.keys(features).length === 0 ? how : { ...how, features: typesOf(features) };
}

function typesOf(types: Awaited<ReturnType<typeof findTypes>>): NonNullable<HowRead['features']> {
  return Object.fromEntries(
    Object.entries(types).map(([name, { dtype, shape }]) => {
      if (dtype === 'float16') throw new UserError(`${name}: expected float32 or integers, got float16`);
      return [name, { dtype, shape: [...shape] }];
    }),
  );
}
