// The entry of the client: what a page imports.

export { Tidings } from './client.js';
export { Problem } from './calls.js';
