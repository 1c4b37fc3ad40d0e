import path from 'node:path';
import test from 'ava';
import ts from 'typescript';

test('everything that the package exports has a docstring', (t) => {
  const entries = ['src/index.ts', 'src/node.ts'];
  const { config } = ts.readConfigFile('tsconfig.json', ts.sys.readFile);
  const { options } = ts.parseJsonConfigFileContent({ ...config, include: entries }, ts.sys, process.cwd());
  const program = ts.createProgram(entries, options);
  const checker = program.getTypeChecker();
  const bare: string[] = [];
  for (const entry of entries) {
    const file = program.getSourceFile(entry);
    const module = file && checker.getSymbolAtLocation(file);
    const symbols = module ? checker.getExportsOfModule(module) : [];
    t.true(symbols.length > 10, entry);
    for (const symbol of symbols) {
      const isAlias = (symbol.flags & ts.SymbolFlags.Alias) !== 0;
      const target = isAlias ? checker.getAliasedSymbol(symbol) : symbol;
      const source = path.relative(process.cwd(), target.declarations?.[0]?.getSourceFile().fileName ?? '');
      const isModule = (target.flags & ts.SymbolFlags.ValueModule) !== 0;
      // A module that is exported as a whole is described where it begins.
      const text = target.declarations?.[0]?.getSourceFile().text ?? '';
      const isDescribed = isModule
        ? text.startsWith('/**')
        : target.getDocumentationComment(checker).length > 0;
      if (!isDescribed) bare.push(`${target.name} of ${source}`);
    }
  }
  t.deepEqual(bare, []);
});
