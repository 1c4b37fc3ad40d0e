/** The version in package.json. It is repeated here because a browser cannot read that; a test compares the two. */
export const VERSION = '0.1.0';
