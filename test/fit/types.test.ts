import path from 'node:path';
import test from 'ava';
import ts from 'typescript';

test('a misnamed field, a missing input and an unknown output do not compile', (t) => {
  const { config } = ts.readConfigFile('tsconfig.json', ts.sys.readFile);
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, '.');
  const program = ts.createProgram([path.resolve('test/fit/_types.ts')], options);
  const source = program.getSourceFile(path.resolve('test/fit/_types.ts'));
  t.truthy(source);
  const found = program.getSemanticDiagnostics(source);
  t.deepEqual(
    found.map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n')),
    [],
  );
});
