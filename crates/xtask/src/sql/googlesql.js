// Lets Google's own analyzer look at every statement: node googlesql.js STATEMENTS.json PORT, where the file is a list of [name, statement].
// It prints a line for each problem; the tables that it knows are those that the statements themselves create and alter, all at once. So it
// takes a column to be there before it is added, and that is no problem; and it parses a change of type and says that it knows none.

const fs = require('fs');
const { spawn } = require('child_process');
const path = require('path');
const { ZetaSQLClient, LanguageOptions } = require('@fivetrandevelopers/zetasql');

const KINDS = {
  STRING: 'TYPE_STRING', INT64: 'TYPE_INT64', FLOAT64: 'TYPE_DOUBLE', BOOL: 'TYPE_BOOL', BYTES: 'TYPE_BYTES',
  TIMESTAMP: 'TYPE_TIMESTAMP', JSON: 'TYPE_JSON', NUMERIC: 'TYPE_NUMERIC', BIGNUMERIC: 'TYPE_BIGNUMERIC',
};
const NO_PROBLEMS = /Column already exists|ALTER TABLE does not support ALTER COLUMN SET DATA TYPE/;
const plain = (name) => name.replace(/`/g, '');

function tables(statements) {
  const found = new Map();
  const add = (table, column, type) => {
    const columns = found.get(plain(table)) ?? found.set(plain(table), new Map()).get(plain(table));
    const kind = KINDS[type.replace(/\(.*/, '')];
    if (!kind) throw new Error(`unknown type ${type}`);
    if (!columns.has(plain(column))) columns.set(plain(column), kind);
  };
  for (const [, statement] of statements) {
    const made = /^CREATE (?:TEMPORARY )?TABLE (?:IF NOT EXISTS )?(\S+)\s+\(\n([\s\S]*?)\n\)/.exec(statement);
    for (const line of made ? made[2].split(',\n') : []) {
      const [, column, type] = /^\s*(`[^`]+`|\w+) (\w+(?:\([\d,]+\))?)/.exec(line);
      add(made[1], column, type);
    }
    const selected = /^CREATE TABLE (\S+) AS SELECT\n([\s\S]*)$/.exec(statement);
    for (const line of selected ? selected[2].split(',\n') : []) {
      const [, type, column] = / AS (\w+)\) AS (\w+)$/.exec(line);
      add(selected[1], column, type);
    }
    const altered = /^ALTER TABLE (\S+) /.exec(statement);
    if (altered) {
      for (const [, column, type] of statement.matchAll(/ADD COLUMN (`[^`]+`|\w+) (\w+(?:\([\d,]+\))?)/g)) add(altered[1], column, type);
      const renamed = /RENAME COLUMN (`[^`]+`|\w+) TO (`[^`]+`|\w+)/.exec(statement);
      if (renamed) add(altered[1], renamed[2], 'STRING');
    }
  }
  return found;
}

function catalog(statements, languageOptions) {
  const root = { name: 'root', table: [], catalog: [], builtinFunctionOptions: { languageOptions } };
  let id = 1;
  for (const [name, columns] of tables(statements)) {
    const parts = name.split('.');
    let at = root;
    for (const part of parts.slice(0, -1)) {
      let next = at.catalog.find((one) => one.name === part);
      if (!next) at.catalog.push((next = { name: part, table: [], catalog: [] }));
      at = next;
    }
    const column = [...columns].map(([column, typeKind]) => ({ name: column, type: { typeKind } }));
    at.table.push({ name: parts.at(-1), serializationId: id++, column });
  }
  return root;
}

async function main() {
  const statements = JSON.parse(fs.readFileSync(process.argv[2]));
  const port = Number(process.argv[3]);
  const program = path.join(path.dirname(require.resolve('@fivetrandevelopers/zetasql/package.json')), 'lib/zetasql/remote_server.so');
  const server = spawn(program, ['localhost', String(port)], { stdio: 'ignore' });
  try {
    ZetaSQLClient.init(port);
    const client = ZetaSQLClient.getInstance();
    for (let tries = 0; ; tries++) {
      try { await client.testConnection(); break; } catch (error) {
        if (tries > 120) throw error;
        await new Promise((resolve) => setTimeout(resolve, 250));
      }
    }
    const options = await new LanguageOptions().enableMaximumLanguageFeatures();
    await options.setSupportsAllStatementKinds?.();
    const languageOptions = options.serialize?.() ?? options.options ?? options;
    const simpleCatalog = catalog(statements, languageOptions);
    let problems = 0;
    for (const [name, sqlStatement] of statements) {
      try {
        await client.analyze({ sqlStatement, simpleCatalog, options: { languageOptions, allowUndeclaredParameters: true } });
      } catch (error) {
        if (/^ALTER TABLE/.test(sqlStatement) && NO_PROBLEMS.test(error.message)) continue;
        problems++;
        console.log(`${name}: ${String(error.message).split('\n')[0]}: ${sqlStatement.slice(0, 120).replace(/\s+/g, ' ')}`);
      }
    }
    console.log(`${statements.length} statements, ${problems} problems`);
    return problems ? 1 : 0;
  } finally {
    server.kill('SIGKILL');
  }
}

main().then((code) => process.exit(code), (error) => { console.log(`cannot analyze: ${error.message}`); process.exit(2); });
