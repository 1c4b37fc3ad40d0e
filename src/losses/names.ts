/** The losses that have a name where a model was written elsewhere: in its spec, on the command line, in a session. */
export const LOSS_NAMES = ['cross-entropy', 'next-token', 'bce', 'mse', 'mae', 'huber'] as const;
/** A loss by its name. */
export type LossName = (typeof LOSS_NAMES)[number];
