// tests/schema/validate.js NODE_MODULES SCHEMA: reads file names, one per line, from standard input;
// writes "good" or "bad" and the name for each. What an editor would say of them.
'use strict';

const fs = require('fs');
const path = require('path');
const [modules, schema] = process.argv.slice(2);
const Ajv = require(path.join(modules, 'ajv/dist/2020'));

const check = new Ajv({ strict: true, strictTypes: false, allErrors: false }).compile(
  JSON.parse(fs.readFileSync(schema, 'utf8')));
for (const name of fs.readFileSync(0, 'utf8').split('\n').filter(Boolean)) {
  const good = check(JSON.parse(fs.readFileSync(name, 'utf8')));
  console.log(`${good ? 'good' : 'bad'} ${name}`);
}
