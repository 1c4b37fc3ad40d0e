/** The forms in which models take texts and images. */

/** `bytes`: byte b is token b + 2. `words`: the most frequent words. `given`: numbers of another tokenizer. */
export const TOKEN_KINDS = ['bytes', 'words', 'given'] as const;
export const CHANNEL_ORDERS = ['rgb', 'bgr'] as const;
export const IMAGE_LAYOUTS = ['channels-first', 'channels-last'] as const;
