/** The version in package.json; a test holds them together, as a browser has no package.json to read. */
export const VERSION = '0.1.0';
