/** The version of this release; the packages are released together. */
export const VERSION = '0.1.0';
