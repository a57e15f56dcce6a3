// Expands JSON-LD documents with jsonld.js: see run.sh. The same as expand.py, in the same order.

import {readFileSync} from 'node:fs';
import jsonld from 'jsonld';

const BASE = 'https://gateway.example/';
// Members whose value is one JSON literal.
const LITERALS = new Set(['customSettings', 'analyticsReports']);

const [contexts, ...files] = process.argv.slice(2);
const read = path => JSON.parse(readFileSync(path, 'utf8'));

// Serves the context files and nothing else.
const documentLoader = async url => {
  const [, name] = decodeURIComponent(url).match(/^https:\/\/gateway\.example\/contexts\/([^/]+)$/) ?? [];
  if (!name) throw new Error(`a document refers to ${url}`);
  return {contextUrl: null, documentUrl: url, document: read(`${contexts}/${name}`)};
};

// How many values a document tells; null tells nothing, and a context is not told.
const sum = (values, count) => values.reduce((total, value) => total + count(value), 0);
const leaves = value => {
  if (Array.isArray(value)) return sum(value, leaves);
  if (value === null) return 0;
  if (typeof value !== 'object') return 1;
  const members = Object.entries(value).filter(([name]) => name !== '@context');
  return sum(members, ([name, member]) => (LITERALS.has(name) ? 1 : leaves(member)));
};

// The same of an expanded document.
const expandedLeaves = value => {
  if (Array.isArray(value)) return sum(value, expandedLeaves);
  if (typeof value !== 'object') return 1;
  return '@value' in value ? 1 : sum(Object.values(value), expandedLeaves);
};

for (const file of files) {
  const document = read(file);
  const expanded = await jsonld.expand(document, {base: BASE, documentLoader});
  const [told, kept] = [leaves(document), expandedLeaves(expanded)];
  if (told !== kept) {
    console.error(`${file}: ${told} values became ${kept} in expansion`);
    process.exitCode = 1;
  }
  const options = {algorithm: 'URDNA2015', format: 'application/n-quads', base: BASE, documentLoader};
  process.stdout.write(`# ${file}\n${await jsonld.canonize(document, options)}`);
}
