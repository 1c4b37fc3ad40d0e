import { writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import fc from 'fast-check';
import { UserError } from '../../src/errors.ts';
import { lineNumberAt, linesFromEnd, linesOf } from '../../src/storage/line-reader.node.ts';
import { temporaryFolder } from './_records.ts';

/** Lines longer and shorter than what is read at once, of characters of one to four bytes, some of them empty. */
const LINES = fc.array(
  fc.record({ text: fc.constantFrom('', 'x', 'é', '…', '𝄞'), times: fc.constantFrom(1, 3, 1000, 70_000) }),
  { maxLength: 12 },
);

test('lines from the beginning and from the end are those of the file, wherever a read ends', (t) => {
  const file = path.join(temporaryFolder(t), 'lines');
  fc.assert(
    fc.property(LINES, fc.boolean(), (parts, isEnded) => {
      const content = parts.map(({ text, times }) => text.repeat(times)).join('\n') + (isEnded ? '\n' : '');
      writeFileSync(file, content);
      const lines = content.split('\n');
      t.deepEqual([...linesOf(file)], lines);
      const found = [...linesFromEnd(file)].reverse();
      t.deepEqual(
        found.map(({ text }) => text),
        lines,
      );
      const bytes = Buffer.from(content);
      for (const [i, { text, begin, end, isEnded: hasBreak }] of found.entries()) {
        t.is(bytes.toString('utf8', begin, end), hasBreak ? `${text}\n` : text);
        t.is(hasBreak, i < found.length - 1);
        t.is(lineNumberAt(file, begin), i + 1);
      }
    }),
    { numRuns: 40 },
  );
});

test('a file that is not there, a folder and a file without breaks are one line each', (t) => {
  const folder = temporaryFolder(t);
  const file = path.join(folder, 'lines');
  const expected = (message: RegExp) => ({ instanceOf: UserError, message });
  for (const read of [linesOf, linesFromEnd]) {
    t.throws(() => [...read(file)], expected(/lines: no such file or folder/));
    t.throws(
      () => [...read(folder)],
      expected(/^.*ortgrad-\w+: it is a folder, expected a file; check the path$/),
    );
  }
  writeFileSync(file, Buffer.alloc(20e6, 'x'));
  for (const read of [linesOf, linesFromEnd])
    t.throws(() => [...read(file)], expected(/lines: a line has more than 16777216 bytes/));
});
